"""Two examples or more of each command, as its help page shows them: (what it does, the call)."""

from __future__ import annotations

Example = tuple[str, str]

EXAMPLES: dict[str, tuple[Example, ...]] = {
    "": (
        ("Audit the bundled pair: no download, about a minute", "calibaudit compare"),
        ("Audit your own two checkpoints", "calibaudit compare BASE INSTRUCT -o report.html"),
    ),
    "compare": (
        (
            "Two checkpoints, on bundled and public tasks, with a page to pass on",
            "calibaudit compare BASE INSTRUCT -t bundled,arc_easy -o report.html",
        ),
        ("Saved scores, on one task; nothing is run", "calibaudit compare base.json tuned.json -t words"),
    ),
    "score": (
        ("Score once, for later comparisons", "calibaudit score CHECKPOINT -o scores.json"),
        ("A quick look on a CPU", "calibaudit score CHECKPOINT --per-level 8 --device cpu"),
    ),
    "import": (
        ("The samples that lm-evaluation-harness logged", "calibaudit import logs/base -o base.json"),
        (
            "A table whose columns p0 to p2 hold log-probabilities",
            "calibaudit import t.csv --options p0,p1,p2 --values logprobs",
        ),
    ),
    "report": (
        ("A page for people", "calibaudit report result.json -o report.html"),
        ("A reliability diagram alone", "calibaudit report result.json --plot reliability.svg"),
    ),
    "card": (
        ("Look at the section first", "calibaudit card result.json"),
        ("Put it into the card that is there, or write one", "calibaudit card result.json -o README.md"),
    ),
    "recommend": (
        ("What would help this pair, from saved scores", "calibaudit recommend base.json tuned.json"),
        (
            "Try factors by tuning BASE briefly",
            "calibaudit recommend BASE INSTRUCT --pilot --data sft.jsonl",
        ),
    ),
    "fix": (
        (
            "From cheap to dear, until one repair is enough",
            "calibaudit fix INSTRUCT --base BASE --data sft.jsonl --out fixed",
        ),
        (
            "A temperature alone: nothing is trained",
            "calibaudit fix INSTRUCT --base BASE --out fixed --method temperature",
        ),
    ),
    "bless": (
        ("Keep what is good now", "calibaudit bless CHECKPOINT -o baseline.json"),
        ("With a tighter margin, and a limit on ECE", "calibaudit bless scores.json --margin .01 --max-ece .1"),
    ),
    "gate": (
        ("In a pipeline, with JUnit XML for its page", "calibaudit gate baseline.json CANDIDATE -o gate.xml"),
        ("Also fail when the verdict is inconclusive", "calibaudit gate baseline.json scores.json --strict"),
    ),
    "tasks": (
        ("Tasks about mathematics", "calibaudit tasks --filter math"),
        ("For a program", "calibaudit tasks --json"),
    ),
    "tasks show": (
        ("The fourth item as plain text", "calibaudit tasks show words --item 3"),
        ("Where a model's template puts the answer", "calibaudit tasks show words --model demo:instruct"),
    ),
    "tasks check": (
        ("Your own task file", "calibaudit tasks check capitals.yaml"),
        ("With its data from a folder", "calibaudit tasks check capitals.yaml --mirror data --offline"),
    ),
    "tasks convert": (
        ("A task of the harness with code in it", "calibaudit tasks convert sciq -o converted"),
        ("Your own, the first hundred documents", "calibaudit tasks convert mine.yaml --limit 100 -o converted"),
    ),
    "data": (
        ("The first row of the demo's data", "calibaudit data show demo:sft --model demo:instruct"),
        ("Another row of yours", "calibaudit data show sft.jsonl --model INSTRUCT --row 12"),
    ),
    "data show": (
        ("A row in the model's own chat template", "calibaudit data show sft.jsonl --model INSTRUCT --row 12"),
        (
            "Columns of other names",
            "calibaudit data show sft.csv --model INSTRUCT --columns ask=prompt",
        ),
    ),
    "config": (
        ("Start a settings file", "calibaudit config init"),
        ("What is in force for gate", "calibaudit config show gate"),
    ),
    "config init": (
        ("In this folder, as calibaudit.toml", "calibaudit config init"),
        ("Add a section to pyproject.toml", "calibaudit config init -o pyproject.toml"),
    ),
    "config show": (
        ("What the settings file says", "calibaudit config show"),
        ("All options of one command", "calibaudit config show gate --json"),
    ),
    "env": (
        ("For a bug report", "calibaudit env"),
        ("For a program", "calibaudit env --json"),
    ),
}
