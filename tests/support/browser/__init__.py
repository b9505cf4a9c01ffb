"""What tests in a browser need: pages opened, photos uploaded, results seen."""
