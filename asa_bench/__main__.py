"""``python -m asa_bench`` is the ``asa-bench`` command."""

from asa_bench.cli import main

if __name__ == "__main__":
    main()
