"""The report as one HTML page that needs no network: tables, charts, and every attacked example."""

from __future__ import annotations

from asa_bench.reports.page.render import render

__all__ = ["render"]
