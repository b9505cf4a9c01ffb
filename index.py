"""The portal: `python index.py [--runningmode runtime|job] ...`; `index:app` for WSGI servers."""

from typing import Any


def __getattr__(name: str) -> Any:
    # Made when a WSGI server asks for it: importing this file has no effect on the disk.
    if name == "app":
        from scai.programs.portal import application

        return application()
    raise AttributeError(name)


if __name__ == "__main__":
    from scai.cli.portal import main

    main()
