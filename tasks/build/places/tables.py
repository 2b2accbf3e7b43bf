"""Which countries the task `places` asks about, how well known they are, and what it leaves out: sources differ."""

from __future__ import annotations


def codes(text: str) -> frozenset[str]:
    """For membership tests only: the order of a set differs from run to run."""
    return frozenset(text.split())


def names(text: str) -> frozenset[str]:
    return frozenset(text.split(", "))


FAME = (
    "US GB FR DE IT ES GR RU CN JP IN BR CA MX EG AU AR KE CU SE NO IE PT PL KR",
    "DK FI IS NL BE CH AT HU RO UA IL IR IQ SA AE TH VN ID PH MY PK AF NZ CL PE CO VE JM NG ZA MA DZ ET SG SY LB "
    "KP NP BG",
    "HR RS SK SI LT LV EE AL BA BY GE AM AZ KZ UZ MN BD LK KH QA KW OM YE JO TN LY SD GH SN UG TZ CD AO MZ ZW ZM MG "
    "CM EC BO PY UY CR PA GT HN NI SV DO HT CY LU MT FJ SO RW",
    "MD KG TJ TM LA BT BN BH MV ML NE TD BF GN SL LR TG BJ GA CG NA BW MW ER SS MR BI DJ CF GM MU SC GY SR BZ BS "
    "BB TT PG WS TO LI LS",
    "GW GQ KM ST VU SB KI TV NR PW FM MH AG DM GD KN LC VC",
)
"""ISO codes of the countries; the first are those that most people could say something about.

Countries that go by two names are left out: Turkey (Türkiye), Myanmar (Burma), Ivory Coast (Côte d'Ivoire), Czechia
(the Czech Republic), North Macedonia, Eswatini (Swaziland), Cape Verde (Cabo Verde), Timor-Leste (East Timor).
"""

NAMES = {
    "CD": "the Democratic Republic of the Congo",
}
ARTICLES = codes("US GB AE NL PH BS GM CF DO CG MV SB MH KM SC")
"""Countries named with an article in a sentence."""

CAPITALS = {"LY": "Tripoli", "UA": "Kyiv", "MM": "Naypyidaw", "UZ": "Tashkent"}
"""Usual English spellings where the package has others."""

NO_CAPITAL = codes("IL BO ZA BJ CI LK BI SZ GQ ID NR CH KZ MY MM KI PW YE SD ME US SG MV KR TZ")
"""Several seats of government, a move under way or in dispute, a recent new name; or the question names the answer."""

NOT_CITIES = names(
    "The Hague, Delhi, Brooklyn, Queens, Putrajaya, Sejong, Hargeysa, Famagusta, Kyrenia, Strovolos, Iztapalapa, "
    "Diez de Octubre, Favoriten, Donaustadt, Floridsdorf, Zuglo, Schaerbeek, Anderlecht, Sodermalm, Sollentuna, "
    "Frederiksberg, Tallaght, Swords, Zemun, Cair, Kisela Voda, Peristeri, Abobo, Thies Nones, Teshi Old Town, "
    "North Shore, Camayenne, Masina, Likasi, Bella Vista, Sale, Musaffah, Budta, Malingao, Piraeus, Eloy Alfaro, "
    "Rukban, Leon de los Aldama, Winejok, Mueang Nonthaburi, Seria, Alaghsas, Sirvan, Bwizibwera, Atsiaman, "
    "Marine Parade, Woodlands, Salvador, Olgii, San Bernardo"
)
"""Wrong capitals for which someone might argue, parts of a capital, and places whose size the package misjudges."""

ENGLISH = {
    "Koln": "Cologne",
    "Sevilla": "Seville",
    "Goteborg": "Gothenburg",
    "Luimneach": "Limerick",
    "Gaillimh": "Galway",
    "Antwerpen": "Antwerp",
    "Gent": "Ghent",
    "Arhus": "Aarhus",
    "Almere Stad": "Almere",
    "Patra": "Patras",
    "Irakleion": "Heraklion",
    "Larisa": "Larissa",
    "Fes": "Fez",
    "Homyel'": "Gomel",
    "Zaragoza": "Saragossa",
}
"""Usual English names of cities."""

TWO_CONTINENTS = codes("RU TR KZ AZ GE AM CY EG ID TL YE TT PG US")
"""Countries that lie on two continents, or are counted to one or the other."""

BORDERS_IN_DOUBT = codes("CY KW IN LK BW ZM TD MA ES FR NL DK GB US CU IL SY RU RS BR SR")
"""Land borders that hang on a dispute, an exclave, a far-off territory or a bridge."""

AREA_IN_DOUBT = codes("FR RS PK OM PH SA KM BH BT IL SY UA RU MA IN CN US CA QA")
"""Areas that differ by more than 5 % between sources, or hang on a dispute."""

NO_CURRENCY = codes("BA BG CU GY IL KG TO ZW SL MR ST VE CH ME BY TM AZ PA LI KP MK")
"""Several currencies in use, a change under way, or several spellings of the name."""

KINDRED = (
    {"krona", "krone", "koruna"},
    {"rial", "riyal", "real"},
    {"dinar", "denar"},
    {"pound", "lira"},
    {"som", "somoni"},
    {"franc", "CFA franc"},
    {"dollar", "US dollar"},
    {"leu", "lev"},
    {"rupee", "rufiyaa", "rupiah"},
)
"""Names of currencies too close to stand side by side."""

NO_CALLING_CODE = codes("RU KZ VA IT MA")
"""Codes shared with another country or territory of the list."""

NO_ZONE = codes("MA EH IE NA AQ SD SS KZ RU")
"""Zones whose summer time counts as the standard, or whose rules changed of late."""

OLD_ZONES = {"Europe/Kyiv", "Europe/Simferopol", "America/Nuuk", "Pacific/Kanton"}
"""Zones with a recent new name or in dispute."""

CONTINENTS = {
    "AF": "Africa",
    "AS": "Asia",
    "EU": "Europe",
    "NA": "North America",
    "SA": "South America",
    "OC": "Oceania",
}
