"""Reports: pure functions from records to tables, and from tables to files and the terminal.

Data walks one way: `inputs` (what a report is made from) -> `gather` (one value per seed) -> `layouts` (the
tables; a new one is one function there) -> `latex`, `markdown`, `terminal`, `write`.
"""
