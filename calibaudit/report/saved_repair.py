"""A saved repair -> the Repair that it was made from, of this version and of older ones."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from calibaudit.advice.recommendation import GridPoint, Prior
from calibaudit.repair.candidates import Candidate, Rejection, Repair, Setting, Trial
from calibaudit.repair.proof import Proof
from calibaudit.repair.settings import METHODS, FixSettings, Start
from calibaudit.repair.verdict import Fault, FirstChoices, Outcome, RepairVerdict, Retention, judge
from calibaudit.report.saved import comparison_of, model_of, overall_of
from calibaudit.report.saved_advice import recommendation_of
from calibaudit.report.saved_values import Result, float_of, number_of, one_of, texts_of, whole_result
from calibaudit.scores.schema import whole
from calibaudit.training.results.data import SftSummary
from calibaudit.training.results.fit import Fit
from calibaudit.training.results.run import TrainingRun
from calibaudit.training.settings import LoraSettings, TrainingSettings

Kind = TypeVar("Kind")

_FAULTS = get_args(Fault)
_REJECTIONS = (*_FAULTS, *get_args(get_args(Rejection)[1]))


def repair_of(result: Result, source: str = "the result") -> Repair:
    """The Repair that `repair_dict` wrote; `repair_dict` of it is the file again, but for the envelope.

    A file of version 0.x, whose rule asked less of a repair, is judged by the rule of today, and a warning says so.
    Raises ScoresError naming `source` when entries are missing or of another kind.
    """
    with whole_result(source, "calibaudit fix"):
        older = "candidates" not in result
        proof = None if result["proof"] is None else _proof(result["proof"], source)
        repair = Repair(
            base=model_of(result["models"]["base"]),
            instruct=model_of(result["models"]["instruct"]),
            settings=_settings({"method": "smooth", **result["settings"]} if older else result["settings"]),
            data=None if result["data"] is None else _data(result["data"]),
            advice=recommendation_of({"recommendation": result["advice"]}, source),
            n_advice_items=whole(result["n_advice_items"]),
            candidates=() if older else tuple(_candidate(one) for one in result["candidates"]),
            training=None if result["training"] is None else _made(TrainingRun, result["training"]),
            retention=_older_retention(result["fits"]) if older else _retention(result["retention"]),
            proof=proof,
            verdict=_older_verdict(result["verdict"]) if older else _verdict(result["verdict"]),
            notes=() if older else texts_of(result["notes"]),
        )
        if (proof is None) != (repair.verdict.outcome in ("not_needed", "nothing_known")):
            raise ValueError(f"outcome is {repair.verdict.outcome!r}, {'without' if proof is None else 'with'} a proof")
        return _judged_anew(repair, str(result["verdict"]["outcome"])) if older else repair


def _proof(found: Result, source: str) -> Proof:
    names = [field.name for field in dataclasses.fields(Proof)]
    return Proof(**{name: comparison_of(found[name], source) for name in names if found.get(name) is not None})


def _settings(found: Result) -> FixSettings:
    training, lora = found["training"], found["training"].get("lora")
    return _made(
        FixSettings,
        found,
        training=_made(
            TrainingSettings,
            training,
            lora=None if lora is None else _made(LoraSettings, lora),
            report_to=tuple(map(str, training.get("report_to", ()))),
        ),
        columns={str(key): str(value) for key, value in found.get("columns", {}).items()},
        pilot=tuple(_made(GridPoint, one) for one in found["pilot"]),
    )


def _data(found: Result) -> SftSummary:
    unread = tuple((str(one["name"]), whole(one["n_rows"])) for one in found.get("unread", ()))
    return _made(SftSummary, found, faults=texts_of(found["faults"]), unread=unread)


def _candidate(found: Result) -> Candidate:
    proven = None if found["proven"] is None else overall_of(found["proven"], "proven")
    return Candidate(
        method=one_of(METHODS, found["method"], "method"),
        setting=None if found["setting"] is None else _setting(found["setting"]),
        verdict=None if found["verdict"] is None else _verdict(found["verdict"]),
        enough=bool(found["enough"]),
        proven=proven,
        retention=_retention(found["retention"]) or Retention(),
        seconds=number_of(found["seconds"]),
        trials=tuple(_trial(trial) for trial in found["trials"]),
        impossible=str(found["impossible"]),
        chosen=bool(found["chosen"]),
    )


def _setting(found: Result) -> Setting:
    prior, start = found["prior"], found["start"]
    return Setting(
        method=one_of(METHODS, found["method"], "method"),
        value=number_of(found["value"]),
        prior=None if prior is None else one_of(Prior, prior, "prior"),
        start=None if start is None else one_of(Start, start, "start"),
        temperature=float_of(found.get("temperature")),
    )


def _trial(found: Result) -> Trial:
    numbers = {name: float_of(found[name]) for name in ("kept", "accuracy", "gap", "ece", "nll")}
    rejected = tuple(one_of(_REJECTIONS, name, "rejected") for name in found["rejected"])
    cooled = float_of(found.get("nll_cooled"))
    return Trial(number_of(found["value"]), rejected=rejected, nll_cooled=cooled, **numbers)


def _retention(found: Result | None) -> Retention | None:
    if found is None:
        return None
    first = found["first_choices"]
    base, before, after = (_fit(found[name]) for name in ("base", "before", "after"))
    same = None if first is None else FirstChoices(whole(first["n"]), whole(first["n_same"]))
    return Retention(base, before, after, same)


def _fit(found: Result | None) -> Fit | None:
    return None if found is None else Fit(number_of(found["nll"]), number_of(found["top1"]), whole(found["n_tokens"]))


def _verdict(found: Result) -> RepairVerdict:
    faults = tuple(one_of(_FAULTS, fault, "fault") for fault in found["faults"])
    return RepairVerdict(one_of(Outcome, found["outcome"], "outcome"), number_of(found["accuracy_margin"]), faults)


def _older_verdict(found: Result) -> RepairVerdict:
    """The outcomes of then, in today's words."""
    names = {"accuracy_lost": "spoiled", "no_factor": "nothing_known"}
    faults: tuple[Fault, ...] = ("accuracy",) if found["outcome"] == "accuracy_lost" else ()
    outcome = one_of(Outcome, names.get(found["outcome"], found["outcome"]), "outcome")
    return RepairVerdict(outcome, number_of(found["accuracy_margin"]), faults)


def _older_retention(fits: Result | None) -> Retention | None:
    return None if fits is None else _retention({"first_choices": None, **fits})


def _judged_anew(repair: Repair, then: str) -> Repair:
    """A repair of version 0.x with its only candidate, and the verdict of today's rule."""
    proof, training = repair.proof, repair.settings.training
    if proof is None:
        return repair
    retention = repair.retention or Retention()
    start = repair.settings.start
    verdict = judge(proof.repair, retention, repair.verdict.accuracy_margin)
    only = Candidate(
        method="smooth",
        setting=Setting("smooth", training.label_smoothing, training.prior, "base" if start == "auto" else start),
        verdict=verdict,
        enough=False,
        proven=proof.repair.pooled,
        retention=retention,
        seconds=0.0 if repair.training is None else repair.training.seconds,
        chosen=True,
    )
    warning = (
        f"this repair is of version 0.x, which judged it {then.replace('_', ' ')!r} by calibration error and accuracy "
        "alone; the verdict shown follows today's rule"
    )
    told = dataclasses.replace(proof.repair, warnings=(warning, *proof.repair.warnings))
    return dataclasses.replace(
        repair, candidates=(only,), verdict=verdict, proof=dataclasses.replace(proof, repair=told)
    )


def _made(kind: type[Kind], found: Result, **values: Any) -> Kind:
    """A dataclass from its entries, each of the type that the field has; what only a later version knows is left out.

    values: fields that are made already.
    """
    hints = get_type_hints(kind)
    for name, hint in hints.items():
        if name in found and name not in values:
            if not _fits(found[name], hint):
                raise ValueError(f"{name} is {str(found[name])[:40]!r}")
            values[name] = found[name]
    return kind(**values)


def _fits(value: Any, hint: Any) -> bool:
    """hint: int, float, str, bool, None, a Literal, or a union of them."""
    if get_origin(hint) is Literal:
        return isinstance(value, str) and value in get_args(hint)
    if options := get_args(hint):
        return any(_fits(value, option) for option in options)
    if isinstance(value, bool) or hint is bool:
        return isinstance(value, bool) and hint is bool
    return isinstance(value, (int, float) if hint is float else hint)
