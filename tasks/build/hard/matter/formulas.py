"""Formula units of compounds: their electrons, neutrons and molar masses, worked out from the formula."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

import periodictable

from build.drafting import Draft, words
from build.hard.matter.pools import scattered

IONS = words(
    "[Fe(CN)6]4- [Fe(CN)6]3- [Co(NH3)6]3+ [Cu(NH3)4]2+ [PtCl6]2- [PtCl4]2- [AuCl4]- [Ag(CN)2]- [Ag(NH3)2]+ [SiF6]2- "
    "[AlF6]3- [Cr(H2O)6]3+ [Ni(CN)4]2- [HgI4]2- [PdCl4]2- [Mo(CN)8]4- [Co(NO2)6]3- [Zn(OH)4]2- [Al(OH)4]- "
    "[Sb(OH)6]- [IrCl6]3- [RhCl6]3- [OsCl6]2- [ReCl6]2- [TaF7]2- [NbF7]2- [ZrF7]3- [UO2]2+ [Fe(C2O4)3]3- "
    "[Cr(C2O4)3]3- [Pt(NH3)4]2+ [Ru(NH3)6]3+ [VO(H2O)5]2+ [Ti(H2O)6]3+ [Mn(CN)6]3- [W(CN)8]3- [CdI4]2- [BiI4]- "
    "[PbCl6]2- [SnCl6]2- Cr2O7/2- S2O8/2- S4O6/2- P3O10/5- MnO4/- IO6/5- TeO4/2- WO4/2- ReO4/- VO4/3- XeO6/4- "
    "B4O7/2- Mo7O24/6- V10O28/6- P2O7/4- AsO4/3- SeO4/2- BrO3/- H2IO6/3- Re2Cl8/2-"
)
SINGLE = words(
    "Na3AlF6 NaAlF4 CsF CsI Na2MnF6 NaAuF4 Cs3CoF6 CsAuF4 PF5 IF7 IF5 AsF5 AlP AlAs NbF5 PrF3 TbF4 HoF3 TmI3 YF3 "
    "NaYF4 AsI3 Cs2NaYF6 CsMnF3 Cs2NaHoF6 Na2AuI3 RhF6 CoF3 PI3 P2I4 AuF5 AuAl2 Na3As Na3P ScP AlI3 CsPF6 NaPF6 "
    "NaAsF6 CsIF6 CsNbF6 Na2NbF7 CoAs3 CoAs2 RhAs3 NbAs2 HoAs TbP PrI3 ScF3 Na3ScF6 Cs3ScF6 MnF4 MnP CsTmI3 Cs3TmF6 "
    "Na5Al3F14"
)
"""Compounds of elements that have one natural isotope each."""
SALTS = words(
    "KAl(SO4)2(H2O)12 CuSO4(H2O)5 FeSO4(H2O)7 MgSO4(H2O)7 Na2CO3(H2O)10 Na2S2O3(H2O)5 Na2B4O7(H2O)10 CoCl2(H2O)6 "
    "NiSO4(H2O)6 K4Fe(CN)6(H2O)3 K3Fe(CN)6 K2Cr2O7 KMnO4 (NH4)2Cr2O7 (NH4)2Fe(SO4)2(H2O)6 NH4Fe(SO4)2(H2O)12 "
    "Ca3(PO4)2 Ca5(PO4)3F Al2(SO4)3(H2O)18 Fe2(SO4)3 Na2MoO4(H2O)2 Na2WO4(H2O)2 (NH4)6Mo7O24(H2O)4 UO2(NO3)2(H2O)6 "
    "La(NO3)3(H2O)6 Ce(SO4)2(H2O)4 Cr(NO3)3(H2O)9 Fe(NO3)3(H2O)9 Bi(NO3)3(H2O)5 Pb(CH3COO)2(H2O)3 Zn(CH3COO)2(H2O)2 "
    "Ba(OH)2(H2O)8 Sr(OH)2(H2O)8 BaCl2(H2O)2 SnCl2(H2O)2 MnCl2(H2O)4 CrCl3(H2O)6 ZrOCl2(H2O)8 ZnSO4(H2O)7 "
    "Na2HPO4(H2O)12 Na3PO4(H2O)12 NaNH4HPO4(H2O)4 MgNH4PO4(H2O)6 KNaC4H4O6(H2O)4 Na3C6H5O7(H2O)2 Ca(C3H5O3)2(H2O)5 "
    "K2PtCl6 HAuCl4(H2O)3 H2PtCl6(H2O)6 RhCl3(H2O)3 RuCl3(H2O)3 Na3Co(NO2)6 Co(NH3)6Cl3 Cu(NH3)4SO4(H2O) "
    "K3Cr(C2O4)3(H2O)3 K3Fe(C2O4)3(H2O)3 KCr(SO4)2(H2O)12 Th(NO3)4(H2O)5 Y2(SO4)3(H2O)8 Nd2(SO4)3(H2O)8 "
    "Pr(NO3)3(H2O)6 Gd(NO3)3(H2O)6 CsAl(SO4)2(H2O)12 Al2Si2O5(OH)4 KAlSi3O8 NaAlSi3O8 Mg3Si4O10(OH)2 "
    "KAl2AlSi3O10(OH)2 Be3Al2Si6O18 Ca2Mg5Si8O22(OH)2 CuAl6(PO4)4(OH)8(H2O)4 Cu2CO3(OH)2 Cu3(CO3)2(OH)2 Pb5(PO4)3Cl "
    "Pb5(VO4)3Cl Pb5(AsO4)3Cl K2Ca2Mg(SO4)4(H2O)2 KMgCl3(H2O)6 NaCa2Al5Si13O36(H2O)14 Ca6Al2(SO4)3(OH)12(H2O)26 "
    "Mg6Al2CO3(OH)16(H2O)4"
)
_WEIGHTS = words(
    "H:1.008 Be:9.012 B:10.81 C:12.011 N:14.007 O:15.999 F:18.998 Na:22.990 Mg:24.305 Al:26.982 Si:28.085 "
    "P:30.974 S:32.06 Cl:35.45 K:39.098 Ca:40.078 V:50.942 Cr:51.996 Mn:54.938 Fe:55.845 Co:58.933 Ni:58.693 "
    "Cu:63.546 Zn:65.38 As:74.922 Sr:87.62 Y:88.906 Zr:91.224 Mo:95.95 Ru:101.07 Rh:102.91 Sn:118.71 Cs:132.91 "
    "Ba:137.33 La:138.91 Ce:140.12 Pr:140.91 Nd:144.24 Gd:157.25 W:183.84 Pt:195.08 Au:196.97 Pb:207.2 "
    "Bi:208.98 Th:232.04 U:238.03"
)
WEIGHTS = {symbol: Fraction(weight) for symbol, weight in (part.split(":") for part in _WEIGHTS)}
"""Abridged standard atomic weights, as the questions give them."""


def counted(formula: str) -> Counter[str]:
    """Atoms of each element in 'Fe(CN)6', brackets of any kind."""
    stack: list[Counter[str]] = [Counter()]
    for opening, closing, symbol, number in re.findall(r"([(\[])|([)\]]\d*)|([A-Z][a-z]?)(\d*)", formula):
        if opening:
            stack.append(Counter())
        elif closing:
            inner = stack.pop()
            for key, count in inner.items():
                stack[-1][key] += count * int(closing[1:] or 1)
        else:
            stack[-1][symbol] += int(number or 1)
    return stack[0]


def _number(symbol: str) -> int:
    return int(periodictable.elements.symbol(symbol).number)


def written(formula: str) -> str:
    """Water of crystallization after a dot: 'CuSO4(H2O)5' as 'CuSO4·5H2O'."""
    return re.sub(r"(?<=.)\(H2O\)(\d*)$", lambda match: f"·{match[1]}H2O", formula)


def electrons(rng: random.Random) -> Iterator[Draft]:
    for text in IONS:
        formula, charge_text = text.split("/") if "/" in text else re.findall(r"\[.+\]|\d?[+-]$", text)
        charge = int(charge_text[:-1] or "1") * (1 if charge_text[-1] == "+" else -1)
        atoms = counted(formula)
        right = sum(_number(symbol) * count for symbol, count in atoms.items()) - charge
        ion = f"{formula} with the charge {charge_text}" if "/" in text else f"{formula}{charge_text}"
        question = f"How many electrons, in all shells, has one ion {ion}?"
        statement = f"The number of electrons, in all shells, of one ion {ion} is {{}}."
        step = 2 * abs(charge)
        slips = [right + step, right - step, right + 2, right - 2, right + step + 2, right - step - 2]
        slips += [right + 6, right - 6, right + 10, right - 10, right + 4, right - 4]
        pool = list(dict.fromkeys(slips))
        rng.shuffle(pool)
        level = 6
        yield Draft(
            f"electrons {formula} {charge}",
            "electrons of an ion",
            level,
            question,
            statement,
            str(right),
            tuple(map(str, pool)),
        )


def neutrons(rng: random.Random) -> Iterator[Draft]:
    for formula in SINGLE:
        atoms = counted(formula)
        right = 0
        for symbol, count in atoms.items():
            isotopes = [i.isotope for i in periodictable.elements.symbol(symbol) if i.abundance > 99.999]
            right += count * (isotopes[0] - _number(symbol))
        question = (
            f"All elements of {formula} have a single natural isotope. "
            "How many neutrons are in the nuclei of one formula unit of it?"
        )
        statement = (
            f"The number of neutrons in the nuclei of one formula unit of {formula} of natural isotopes is {{}}."
        )
        pool = [right + step for step in (1, -1, 2, -2, 3, -3, 4, -4, 6, -6)]
        rng.shuffle(pool)
        yield Draft(
            f"neutrons {formula}",
            "neutrons of a compound",
            7 if len(atoms) > 2 else 6,
            question,
            statement,
            str(right),
            tuple(map(str, pool)),
        )


def weights(rng: random.Random) -> Iterator[Draft]:
    for index, formula in enumerate(SALTS):
        atoms = counted(formula)
        total = sum((WEIGHTS[symbol] * count for symbol, count in atoms.items()), Fraction())
        given = ", ".join(f"{symbol} {_given(symbol)}" for symbol in atoms)
        long = len(atoms) > 4 or sum(atoms.values()) > 35
        if index % 2:
            level = 8 if long else 7
            right = float(total)
            slips = [0.2, -0.2, 0.3, -0.3, 0.9, -0.9, 1.0, -1.0, 1.1, -1.1, 0.1, -0.1]
            rng.shuffle(slips)
            pool = tuple(f"{right + slip:.3f} g/mol" for slip in slips)
            question = f"With the atomic weights {given}, what is the molar mass of {written(formula)}?"
            statement = f"With the atomic weights {given}, the molar mass of {written(formula)} is {{}}."
            yield Draft(f"weight {formula}", "molar mass", level, question, statement, f"{right:.3f} g/mol", pool)
            continue
        symbol = rng.choice(sorted(s for s in atoms if s != "H"))
        share = float(100 * WEIGHTS[symbol] * atoms[symbol] / total)
        if abs(share * 100 % 1 - 0.5) < 0.1 or share < 3:
            continue
        level = 9 if long else 8
        pool = scattered(rng, share, (0.21, 0.5, 0.85, 1.3), lambda v: f"{v:.2f}%")
        question = (
            f"With the atomic weights {given}, what percentage of the mass of {written(formula)} is due to {symbol}?"
        )
        said = f"the percentage of the mass of {written(formula)} due to {symbol}"
        statement = f"With the atomic weights {given}, {said} is {{}}."
        yield Draft(f"weight {formula}", "share of the mass", level, question, statement, f"{share:.2f}%", pool)


def _given(symbol: str) -> str:
    weight = float(WEIGHTS[symbol])
    return f"{weight:.3f}" if symbol == "Na" else f"{weight:g}"


MAKERS = (electrons, neutrons, weights)
