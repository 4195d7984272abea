"""Pictures for papers as PDF and PNG: the same bytes for the same numbers and the same matplotlib, without a clock."""
