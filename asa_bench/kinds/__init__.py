"""What each kind of cell does; `asa_bench.work` calls it and writes the record."""
