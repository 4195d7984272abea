"""What an attack is: its description, cheap to list, and what running it leaves behind."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from asa_bench.tasks.base import Frozen

# TextAttack's words for what became of one example, and ours for what it has no word for.
Status = Literal["successful", "failed", "skipped", "errored", "timed_out"]

# Columns of an attack record, in order, beside the task's slice columns.
COLUMNS = (
    "id",
    "text_hash",
    "label",
    "status",
    "original",  # JSON list of the texts in column order
    "perturbed",  # the same after the attack; "" unless successful
    "queries",  # how often the victim was asked in this example's search
    "success_budgets",  # JSON list of [from, to): the query budgets at which the search succeeds; to may be null
    "original_logits",
    "perturbed_logits",  # by a fresh forward pass at another batch size; empty unless successful
    "error",  # what went wrong, for status "errored" and "timed_out"
)

# A column more of white-box attacks: the l2 norm of a search's first gradient, NaN where it took none.
GRADIENT_NORM = "gradient_norm"

# Columns more of attacks that search in bf16: what came of that search, and its queries. `queries` are those of the search
# that decided: of this one where it is "successful", else of one in float32.
BF16_STATUS = "bf16_status"
BF16_QUERIES = "bf16_queries"
# A column more of attacks that search in bf16 alone: what a search in float32 came to, of failures drawn for it; else "".
FLOAT32_STATUS = "float32_status"
# One failure in so many is drawn, by its id.
DRAWN = 16

# Query budgets that table `budget` shows, and at which every curve is exact.
TABLE_BUDGETS = (10, 25, 50, 100, 200, 500, 1000, 2000)

SearchPrecision = Literal["float32", "bf16", "bf16_alone"]


class Attack(Frozen):
    """The description of one attack recipe; building it is the business of `asa_bench.attacks.engine`."""

    name: str = Field(description="the name in suites; every substitute adds '+name'")
    title: str = Field(description="the column head in tables")
    recipe: str = Field(
        description="the class in textattack.attack_recipes, or the builder 'module:function'"
    )
    paper: str = Field(description="author, year, venue")
    box: Literal["black", "white"] = "black"
    inputs: tuple[int, ...] = Field(default=(1, 2), description="how many text columns it can handle")
    substitutes: tuple[str, ...] = Field(
        default=(), description="what differs from the library's recipe, in words"
    )
    needs: tuple[str, ...] = Field(
        default=(),
        description="resources beside the installed packages: 'nltk:' and a path in NLTK's data, 'file:' and a path in "
        "a data folder, 'hub:' and a model's name on the hub",
    )
    note: str = ""
    control_of: str = Field(
        default="",
        description="the attack whose search this one does without the victim's scores; a control of it",
    )
    raw: str = Field(
        default="",
        description="of an attack on a calibrated victim: the name of the same attack on the victim as it is",
    )


class AttackOptions(Frozen):
    """Overrides of one attack in a suite."""

    query_budget: int | None = Field(default=None, ge=1, description="stop a search after this many queries")
    time_limit_s: float | None = Field(
        default=None,
        gt=0,
        description="give an example up after so many seconds of its own; what is given up depends on the machine",
    )
    lanes: int = Field(
        default=32,
        ge=1,
        le=1024,
        description="searches that run at once; decides memory and speed, no result",
    )
    victim: Literal["raw", "calibrated", "both"] = Field(
        default="raw",
        description="whether the search sees the victim's probabilities as they are, by a temperature fitted on held-out "
        "clean data, or there is an attack on each",
    )
    search_precision: SearchPrecision = Field(
        default="float32",
        description="bf16: an attack of its own that searches under bf16 autocast first, and in float32 where that finds "
        f"nothing that float32 confirms; bf16_alone: another, whose failures stand: one in {DRAWN} is searched again, to tell "
        "how often float32 disagrees",
    )
