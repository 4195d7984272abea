"""How large a page of 100,000 attacked examples is, and how long it takes to open in Chromium.

    python benchmarks/page.py [--examples 100000] [--keep FILE]

Opening is from the request to the first list of examples, which is when everything can be used.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
import time
from pathlib import Path

import pandas as pd

from asa_bench.attacks.base import Attack
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.outcomes import AttackOutcome, Subject
from asa_bench.reports.page import render
from asa_bench.tasks import TASKS

SEARCHES_PER_EXAMPLE = 4  # two methods, two seeds


def made_up(examples: int) -> ReportInput:
    """Searches over made-up reviews of 10 to 30 words of a vocabulary of 5,000."""
    dice = random.Random(0)
    words = ["".join(dice.choices("aeioubcdfglmnprst", k=dice.randint(2, 9))) for _ in range(5000)]
    task = TASKS.get("sst2")
    count = examples // SEARCHES_PER_EXAMPLE
    texts = [dice.choices(words, k=dice.randint(10, 30)) for _ in range(count)]
    attack = Attack(name="made-up", title="Made up", recipe="made:up", paper="none")
    outcomes = []
    for method in ("naive", "asa"):
        for seed in (1, 2):
            rows = []
            for number, text in enumerate(texts):
                status = dice.choice(("successful", "failed", "skipped"))
                changed = list(text)
                changed[dice.randrange(len(text))] = dice.choice(words)
                rows.append(
                    {
                        "id": f"dev-{number}",
                        "text_hash": f"{number:016x}",
                        "label": task.labels[number % len(task.labels)],
                        "status": status,
                        "original": json.dumps([" ".join(text)]),
                        "perturbed": json.dumps([" ".join(changed)]) if status == "successful" else "",
                        "queries": dice.randint(1, 500),
                        "success_budgets": "[]",
                        "original_logits": [dice.gauss(0, 2), dice.gauss(0, 2)],
                        "perturbed_logits": [dice.gauss(0, 2), dice.gauss(0, 2)]
                        if status == "successful"
                        else [],
                        "error": "",
                    }
                )
            subject = Subject("made-up", method, method.upper(), False, task.name, seed)
            outcomes.append(
                AttackOutcome(subject, task, "validation", "f", attack, 0, pd.DataFrame(rows), 500)
            )
    return ReportInput("made-up", "Made up", "large", attacks=tuple(outcomes), methods=("naive", "asa"))


def seconds_to_open(path: Path) -> float:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver") or ""))
    try:
        browser.get("about:blank")
        begun = time.monotonic()
        browser.get(path.as_uri())
        while browser.execute_script("return document.documentElement.dataset.ready") != "true":
            time.sleep(0.01)
        return time.monotonic() - begun
    finally:
        browser.quit()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, help="keep the page in this file")
    given = parser.parse_args()
    source = made_up(given.examples)
    begun = time.monotonic()
    text = render(source)
    print(
        f"made       {time.monotonic() - begun:6.1f} s for {sum(len(a.rows) for a in source.attacks):,} searches"
    )
    print(f"size       {len(text) / 1e6:6.1f} MB")
    with tempfile.TemporaryDirectory() as folder:
        path = given.keep.resolve() if given.keep else Path(folder) / "report.html"
        path.write_text(text, "utf-8")
        for _ in range(3):
            print(f"opened in  {seconds_to_open(path):6.2f} s")


if __name__ == "__main__":
    main()
