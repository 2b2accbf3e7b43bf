"""Which countries the task `cities` asks about, how they are called in a sentence, and what it leaves out."""

from __future__ import annotations


def codes(text: str) -> frozenset[str]:
    """For membership tests only: the order of a set differs from run to run."""
    return frozenset(text.split())


WELL_KNOWN = codes("US GB FR DE IT ES JP AU CA NL BE CH AT SE NO DK FI IE NZ PT")
KNOWN = codes(
    "BR IN MX CN RU ZA AR PL CO CL PE KR ID MY TH VN PH IR EG MA DZ RO HU GR HR BG NG PK KE VE CU SA UZ KZ LT LV EE "
    "SI RS BA IS"
)
"""Countries whose towns are written about less than those above, and more than those of the rest."""

LEFT_OUT = codes(
    "UA IL PS TW XK EH CY GE MD AZ SO SY GY "  # territory in dispute
    "TR MM CI CZ SK MK SZ CV TL LA "  # two names for the country, or towns known by names of two languages
    "HK MO PR RE GP MQ GF NC PF GU VI YT AW CW BQ SX GL FO JE GG IM GI BM KY TC VG AI MS FK SH PM WF CK NU TK AS MP AX "
    "SJ BL MF"  # not sovereign
)

DISPUTED = frozenset(["IN 12", "IN 30", "IN 41", "PK 06", "PK 07", "ES CE", "ES ML"])
"""First-level subdivisions, country and GeoNames code, that another country claims or that are exclaves."""

NOT_TOWNS = frozenset(["Saint-Denis", "San Fernando", "Rio Branco", "Wells"])
"""Names that also belong to places below the gazetteer's 15,000 inhabitants, or to a subdivision."""

NAMES = {
    "CD": "the Democratic Republic of the Congo",
    "CG": "the Republic of the Congo",
    "NL": "the Netherlands",
    "BS": "the Bahamas",
    "GM": "the Gambia",
    "CF": "the Central African Republic",
    "DO": "the Dominican Republic",
    "PH": "the Philippines",
    "AE": "the United Arab Emirates",
    "GB": "the United Kingdom",
    "US": "the United States",
    "KM": "the Comoros",
    "SB": "the Solomon Islands",
    "MV": "the Maldives",
}
"""Names as in a sentence, where the package has them without an article or otherwise."""

CODES_IN_DOUBT = codes(
    "AOG ARZ BYD CUV ESI FAHR FASC FCOO FCPD FLKK FNZE FTX FZOK GFKB GLJ GODK GQNN GUXN HKWJ HRS HSSJ KBA LHUD LRG "
    "MBT MHPR NQL OPLL OYBI QBX QCH QCR QDF QMF QRC QRZ QZD RPVJ SBCN SBEP SBVC SCPC SDKK SGG SLGY SNCX SNOB SSMF "
    "SSRS SVCG SWNQ UZNN UZSB VOVZ WBGY WIJI WJR ZBSN ZEC ZPC ZSJX ZYAS CO-DC CO-SAP PE-CAL PE-CUS PE-LIM VE-A VE-X "
    "TH-10 TH-72 TH-82 TH-86 TH-93 TH-S NI-AN NI-AS KR-42 KR-49 "
    "BR-DF"
)
"""Codes of airports and subdivisions on which the sources differ, or where only one has them."""

MOVED = frozenset(
    int(number)
    for number in codes(
        "673921 1214800 1257093 1260296 1268403 1271495 1272259 1275362 1640044 1640972 1644522 2501162 2862104 "
        "2862423 2942122 3108165 3130155 3209584 3385980 3387266 3389358 3396601 3408100 3449707 3453807 3458049 "
        "3459922 3665202 4003938 4015938 4164092 4212937 4593724 4922459 5105860 5128898 5134316 6615539 7302808 "
        "8605040 11044505"
    )
)
"""Numbers of small towns that GeoNames has since moved by more than 0.015 degrees, or no longer has."""
