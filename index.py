"""The portal: `python index.py [--runningmode runtime|job] ...`, or `index:app` for WSGI."""

from typing import Any


def __getattr__(name: str) -> Any:
    # The application is made when a WSGI server asks for it, so an import leaves the disk alone.
    if name == "app":
        from scai.programs.portal import application

        return application()
    raise AttributeError(name)


if __name__ == "__main__":
    from scai.cli.portal import main

    main()
