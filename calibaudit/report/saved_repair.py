"""A saved repair -> the Repair that it was made from, of this version and of older ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, get_args

from calibaudit.advice.pilot import GridPoint
from calibaudit.advice.recommendation import Prior
from calibaudit.errors import CalibauditError
from calibaudit.repair.candidates import Candidate, Rejection, Repair, Setting, Trial
from calibaudit.repair.proof import Proof
from calibaudit.repair.settings import METHODS, FixSettings, Start
from calibaudit.repair.verdict import Fault, FirstChoices, Outcome, RepairVerdict, Retention, judge
from calibaudit.report.saved import Result, comparison_of, malformed, model_of, overall_of, recommendation_of
from calibaudit.training.fit import Fit
from calibaudit.training.prepare import SftSummary
from calibaudit.training.settings import LoraSettings, TrainingSettings
from calibaudit.training.train import TrainingRun

_FAULTS = get_args(Fault)
_REJECTIONS = (*_FAULTS, *get_args(get_args(Rejection)[1]))


def repair_of(result: Result, source: str = "the result") -> Repair:
    """The Repair that `repair_dict` wrote; `repair_dict` of it is the file again, but for the envelope.

    A file of version 0.x, whose rule asked less of a repair, is judged by the rule of today, and a warning says so.
    Raises ScoresError naming `source` when entries are missing or of another kind.
    """
    try:
        older = "candidates" not in result
        proof = None if result["proof"] is None else _proof(result["proof"], source)
        repair = Repair(
            base=model_of(result["models"]["base"]),
            instruct=model_of(result["models"]["instruct"]),
            settings=_settings({"method": "smooth", **result["settings"]} if older else result["settings"]),
            data=None if result["data"] is None else _data(result["data"]),
            advice=recommendation_of({"recommendation": result["advice"]}, source),
            n_advice_items=int(result["n_advice_items"]),
            candidates=() if older else tuple(_candidate(one) for one in result["candidates"]),
            training=None if result["training"] is None else TrainingRun(**_known(TrainingRun, result["training"])),
            retention=_older_retention(result["fits"]) if older else _retention(result["retention"]),
            proof=proof,
            verdict=_older_verdict(result["verdict"]) if older else _verdict(result["verdict"]),
            notes=() if older else tuple(str(note) for note in result["notes"]),
        )
        if (proof is None) != (repair.verdict.outcome in ("not_needed", "nothing_known")):
            raise ValueError(f"outcome is {repair.verdict.outcome!r}, {'without' if proof is None else 'with'} a proof")
        return _judged_anew(repair, str(result["verdict"]["outcome"])) if older else repair
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, CalibauditError) as error:
        raise malformed(source, error, "calibaudit fix") from error


def _proof(found: Result, source: str) -> Proof:
    names = [field.name for field in dataclasses.fields(Proof)]
    return Proof(**{name: comparison_of(found[name], source) for name in names if found.get(name) is not None})


def _settings(found: Result) -> FixSettings:
    training = dict(found["training"])
    if training.get("lora") is not None:
        training["lora"] = LoraSettings(**training["lora"])
    return FixSettings(
        **{
            **found,
            "training": TrainingSettings(**training),
            "columns": dict(found.get("columns", {})),
            "pilot": tuple(GridPoint(float(one["epsilon"]), _one_of(one["prior"], Prior)) for one in found["pilot"]),
        }
    )


def _data(found: Result) -> SftSummary:
    unread = tuple((str(one["name"]), int(one["n_rows"])) for one in found.get("unread", ()))
    faults = tuple(str(text) for text in found["faults"])
    return SftSummary(**{**found, "source": str(found["source"]), "faults": faults, "unread": unread})


def _candidate(found: Result) -> Candidate:
    proven = None if found["proven"] is None else overall_of(found["proven"], "proven")
    return Candidate(
        method=_one_of(found["method"], METHODS),
        setting=None if found["setting"] is None else _setting(found["setting"]),
        choice=None if found["choice"] is None else _verdict(found["choice"]),
        enough=bool(found["enough"]),
        proven=proven,
        retention=_retention(found["retention"]) or Retention(),
        seconds=float(found["seconds"]),
        trials=tuple(_trial(trial) for trial in found["trials"]),
        impossible=str(found["impossible"]),
        chosen=bool(found["chosen"]),
    )


def _setting(found: Result) -> Setting:
    prior, start = found["prior"], found["start"]
    return Setting(
        method=_one_of(found["method"], METHODS),
        value=float(found["value"]),
        prior=None if prior is None else _one_of(prior, Prior),
        start=None if start is None else _one_of(start, Start),
    )


def _trial(found: Result) -> Trial:
    numbers = {name: _float(found[name]) for name in ("kept", "accuracy", "gap", "ece", "nll")}
    rejected = tuple(_one_of(name, _REJECTIONS) for name in found["rejected"])
    return Trial(float(found["value"]), rejected=rejected, **numbers)


def _retention(found: Result | None) -> Retention | None:
    if found is None:
        return None
    first = found["first_choices"]
    base, before, after = (_fit(found[name]) for name in ("base", "before", "after"))
    same = None if first is None else FirstChoices(int(first["n"]), int(first["n_same"]))
    return Retention(base, before, after, same)


def _fit(found: Result | None) -> Fit | None:
    return None if found is None else Fit(float(found["nll"]), float(found["top1"]), int(found["n_tokens"]))


def _verdict(found: Result) -> RepairVerdict:
    faults = tuple(_one_of(fault, _FAULTS) for fault in found["faults"])
    return RepairVerdict(_one_of(found["outcome"], Outcome), float(found["accuracy_margin"]), faults)


def _older_verdict(found: Result) -> RepairVerdict:
    """The outcomes of then, in today's words."""
    names = {"accuracy_lost": "spoiled", "no_factor": "nothing_known"}
    faults: tuple[Fault, ...] = ("accuracy",) if found["outcome"] == "accuracy_lost" else ()
    outcome = _one_of(names.get(found["outcome"], found["outcome"]), Outcome)
    return RepairVerdict(outcome, float(found["accuracy_margin"]), faults)


def _older_retention(fits: Result | None) -> Retention | None:
    return None if fits is None else _retention({"first_choices": None, **fits})


def _judged_anew(repair: Repair, then: str) -> Repair:
    """A repair of version 0.x with its only candidate, and the verdict of today's rule."""
    proof, training = repair.proof, repair.settings.training
    if proof is None:
        return repair
    retention = repair.retention or Retention()
    start = repair.settings.start
    only = Candidate(
        method="smooth",
        setting=Setting("smooth", training.label_smoothing, training.prior, "base" if start == "auto" else start),
        choice=None,
        enough=False,
        proven=proof.repair.pooled,
        retention=retention,
        seconds=0.0 if repair.training is None else repair.training.seconds,
        chosen=True,
    )
    verdict = judge(proof.repair, retention, repair.verdict.accuracy_margin)
    warning = (
        f"this repair is of version 0.x, which judged it {then.replace('_', ' ')!r} by calibration error and accuracy "
        "alone; the verdict shown is by the rule of today"
    )
    told = dataclasses.replace(proof.repair, warnings=(warning, *proof.repair.warnings))
    return dataclasses.replace(
        repair, candidates=(only,), verdict=verdict, proof=dataclasses.replace(proof, repair=told)
    )


def _known(kind: type[Any], found: Result) -> Mapping[str, Any]:
    """Only what the type has: a later version may have put more beside it."""
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in found.items() if name in names}


def _one_of(value: Any, known: Any) -> Any:
    """The value, where it is one of them. known: names, or a Literal of them."""
    names = known if isinstance(known, tuple) else get_args(known)
    if value not in names:
        raise ValueError(f"{str(value)[:40]!r} is none of {', '.join(names)}")
    return value


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
