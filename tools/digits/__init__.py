"""How the two bundled digit models are trained and measured."""
