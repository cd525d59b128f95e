"""The command's front door: answers `--version` before anything is imported."""

import sys


def main() -> None:
    """Run the command and end the process with its exit code."""
    if sys.argv[1:] == ["--version"]:
        from exolink_reconcile import __version__

        print(f"exolink-reconcile {__version__}")
        return
    if sys.platform == "win32":  # signals, locks and file modes, which the safety rests on, are others there
        print("error: exolink-reconcile needs Linux or macOS; on Windows, run it in WSL.", file=sys.stderr)
        sys.exit(3)
    from exolink_reconcile.cli import commands

    commands.run(sys.argv[1:])


if __name__ == "__main__":
    main()
