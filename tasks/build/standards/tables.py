"""Tables of the task `standards` that no module of the standard library holds. The source of each is named below it."""

from __future__ import annotations

HTTP_LEVELS = {
    1: (200, 400, 403, 404, 500),
    2: (201, 301, 401, 502, 503),
    3: (100, 204, 302, 304, 405, 408, 409, 429, 501, 504),
    4: (101, 202, 206, 307, 308, 406, 410, 411, 412, 415, 451, 505),
    5: (
        *(102, 103, 203, 205, 207, 208, 226, 300, 303, 305, 402, 407, 417, 421, 423, 424, 425, 426, 428, 431),
        *(506, 507, 508, 510, 511),
    ),
}
"""Status codes asked about; 413, 414, 416, 418 and 422 have had several reason phrases."""

PORTS = {
    2: "FTP 21, SSH 22, HTTP 80, HTTPS 443",
    3: "Telnet 23, SMTP 25, DNS 53, POP3 110, NTP 123, IMAP 143, RDP 3389, MySQL 3306, PostgreSQL 5432",
    4: "TFTP 69, NNTP 119, SNMP 161, LDAP 389, LDAPS 636, IMAPS 993, POP3S 995, Kerberos 88, SIP 5060, NFS 2049, "
    "Redis 6379",
    5: "Echo 7, Discard 9, Daytime 13, Whois 43, Gopher 70, Finger 79, BGP 179, IPP 631, rsync 873, SOCKS 1080, "
    "MQTT 1883, RTSP 554, OpenVPN 1194, Git 9418, Subversion 3690, AMQP 5672",
}
"""Default ports, from IANA's registry of service names and port numbers."""

MEDIA_LEVELS = {
    1: ".txt .html .png .gif .css",
    2: ".jpg .json .pdf .csv .zip .mp4",
    3: ".svg .mp3 .tiff .bin .mpeg .aac .heic",
    4: ".mov .tsv .wasm .doc .eml .xls .ps .ppt",
}
"""File name extensions asked about: mimetypes has the same type for them in Python 3.10 to 3.13, and IANA too."""

WRONG_MEDIA = {
    ".txt": "text/txt text/ascii application/text document/plain",
    ".html": "application/html text/web document/html text/hypertext",
    ".png": "picture/png image/x-portable application/png graphic/png",
    ".gif": "picture/gif video/gif application/gif graphic/gif",
    ".css": "application/css text/style text/stylesheet style/css",
    ".jpg": "picture/jpeg photo/jpeg application/jpeg image/photo",
    ".json": "object/json text/object application/javascript-object data/json",
    ".pdf": "text/pdf document/pdf image/pdf application/document",
    ".csv": "table/csv text/comma application/table text/table",
    ".zip": "archive/zip file/zip application/archive data/zip",
    ".mp4": "movie/mp4 video/movie application/video video/h264-mp4",
    ".svg": "image/vector image/xml text/svg+xml image/svg",
    ".mp3": "sound/mpeg audio/layer3 music/mpeg audio/mpeg-3",
    ".tiff": "picture/tiff image/tagged application/tiff image/tag+tiff",
    ".bin": "application/binary application/bytes data/octet-stream application/raw",
    ".mpeg": "movie/mpeg video/moving-picture application/mpeg-video video/mpg4",
    ".aac": "sound/aac audio/advanced application/aac audio/mpeg-aac",
    ".heic": "picture/heic image/hevc video/heic image/high-efficiency",
    ".mov": "video/mov video/apple movie/quicktime video/movie",
    ".tsv": "text/tabs text/tab-separated text/tsv-values table/tab-separated-values",
    ".wasm": "application/webassembly text/wasm code/wasm application/web-assembly",
    ".doc": "application/word document/msword application/ms-document text/msword",
    ".eml": "message/email mail/rfc822 text/email message/rfc2822",
    ".xls": "application/vnd.ms-sheet application/ms-spreadsheet table/vnd.ms-excel application/vnd.excel",
    ".ps": "text/postscript application/ps document/postscript image/postscript",
    ".ppt": "application/vnd.ms-slides application/ms-presentation application/vnd.powerpoint text/vnd.ms-powerpoint",
}
"""Types that IANA has not registered."""

ENTITY_LEVELS = {
    1: "lt gt amp quot copy",
    2: "euro pound yen reg deg eacute uuml ntilde frac12 infin times divide hearts rarr trade",
    3: "egrave ccedil aring szlig aelig oslash iquest para sect alpha beta pi omega sup2 plusmn cent larr uarr darr "
    "ne le ge",
    4: "thorn eth acirc otilde laquo raquo ordf ordm curren not gamma delta lambda dagger permil radic int forall "
    "exist empty spades clubs diams harr part cap cup hellip",
    5: "nabla isin notin ni prop ang sub sup sube oplus otimes perp lArr rArr hArr xi psi zeta eta cong asymp equiv "
    "crarr lceil rfloor loz brvbar cedil uml acute Dagger Yuml OElig Scaron fnof",
}
"""HTML entities asked about; left out: those that look like others (&mu; and &micro;), those that show nothing."""

SPELLING = (
    "Alfa Able Anchor Apple|Bravo Baker Boston Bingo|Charlie Cargo Castle Carbon|Delta Dog Dakota Danube|"
    "Echo Easy Eagle Everest|Foxtrot Fox Falcon Frank|Golf George Gamma Garden|Hotel How Harbor Henry|"
    "India Item Island Iron|Juliett Jig Jupiter Jacket|Kilo King Karma Kansas|Lima Love London Ladder|"
    "Mike Metro Magnet Market|November Nan Nectar Nordic|Oscar Oboe Orange Ocean|Papa Peter Paris Panda|"
    "Quebec Queen Quartz Quiver|Romeo Roger River Radar|Sierra Sugar Saturn Silver|Tango Tare Tiger Topaz|"
    "Uniform Uncle Umbra Union|Victor Vector Venice Velvet|Whiskey William Winter Window|X-ray Xerox Xenon Xylem|"
    "Yankee Yoke Yellow Yukon|Zulu Zebra Zenith Zodiac"
)
"""For each letter the word of the ICAO spelling alphabet, then others, most from older alphabets."""

MORSE = (
    "A .- B -... C -.-. D -.. E . F ..-. G --. H .... I .. J .--- K -.- L .-.. M -- N -. O --- P .--. Q --.- R "
    ".-. S ... T - U ..- V ...- W .-- X -..- Y -.-- Z --.. 1 .---- 2 ..--- 3 ...-- 4 ....- 5 ..... 6 -.... 7 "
    "--... 8 ---.. 9 ----. 0 -----"
)
"""International Morse code, Recommendation ITU-R M.1677-1."""

PREFIXES = {
    1: "kilo k 3, mega M 6, giga G 9, milli m -3, centi c -2",
    2: "deca da 1, hecto h 2, tera T 12, deci d -1, nano n -9",
    3: "peta P 15, micro u -6, pico p -12, exa E 18",
    4: "femto f -15, zetta Z 21, atto a -18, yotta Y 24",
    5: "zepto z -21, yocto y -24, ronna R 27, ronto r -27, quetta Q 30, quecto q -30",
}
"""SI prefixes, symbols, powers of ten: the SI Brochure, 9th edition with the prefixes of 2022. u stands for mu."""

BINARY = {3: "kibi 10, mebi 20, gibi 30", 4: "tebi 40, pebi 50", 5: "exbi 60, zebi 70, yobi 80"}
"""Powers of two: IEC 80000-13."""

UNITS = {
    1: "metre m length, kilogram kg mass, second s time, volt V voltage, watt W power",
    2: "ampere A electric current, newton N force, joule J energy, hertz Hz frequency, kelvin K temperature, pascal "
    "Pa pressure, mole mol amount of substance",
    3: "candela cd luminous intensity, coulomb C electric charge, ohm Ohm electric resistance, radian rad plane "
    "angle, becquerel Bq radioactivity, farad F capacitance",
    4: "tesla T magnetic flux density, henry H inductance, lumen lm luminous flux, lux lx illuminance, sievert Sv "
    "equivalent dose, siemens S electric conductance, weber Wb magnetic flux",
    5: "gray Gy absorbed dose, katal kat catalytic activity, steradian sr solid angle",
}
"""SI units, symbols and quantities: the SI Brochure, 9th edition, tables 2 and 4."""

TOO_CLOSE = (
    {"becquerel", "hertz"},
    {"gray", "sievert"},
    {"radian", "steradian"},
    {"joule", "watt"},
    {"tesla", "weber"},
    {"lumen", "candela"},
    {"ampere", "coulomb"},
)
"""Units whose quantities a layman's word may cover together."""

BASE_UNITS = {
    "hertz": "1/s",
    "newton": "kg m/s^2",
    "pascal": "kg/(m s^2)",
    "joule": "kg m^2/s^2",
    "watt": "kg m^2/s^3",
    "coulomb": "A s",
    "volt": "kg m^2/(A s^3)",
    "farad": "A^2 s^4/(kg m^2)",
    "ohm": "kg m^2/(A^2 s^3)",
    "siemens": "A^2 s^3/(kg m^2)",
    "weber": "kg m^2/(A s^2)",
    "tesla": "kg/(A s^2)",
    "henry": "kg m^2/(A^2 s^2)",
    "gray": "m^2/s^2",
    "katal": "mol/s",
}
"""Derived units in base units: the SI Brochure, 9th edition, table 4."""

OTHER_COMBINATIONS = (
    *("kg m/s", "kg m^2/s", "kg m/s^3", "kg/(m s)", "kg m^2/(A s)", "A/s", "A m", "m/s^2", "kg/s^2", "mol s", "s/A"),
)
"""Combinations that no unit of the table equals."""

SIGNALS = (
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU "
    "URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
)
"""Linux signals 1 to 31 on x86 and ARM: signal(7)."""

ERRORS = (
    "EPERM 1 Operation not permitted|ENOENT 2 No such file or directory|ESRCH 3 No such process|"
    "EINTR 4 Interrupted system call|EIO 5 Input/output error|ENXIO 6 No such device or address|"
    "E2BIG 7 Argument list too long|ENOEXEC 8 Exec format error|EBADF 9 Bad file descriptor|"
    "ECHILD 10 No child processes|ENOMEM 12 Cannot allocate memory|EACCES 13 Permission denied|"
    "EFAULT 14 Bad address|EBUSY 16 Device or resource busy|EEXIST 17 File exists|"
    "EXDEV 18 Invalid cross-device link|ENODEV 19 No such device|ENOTDIR 20 Not a directory|"
    "EISDIR 21 Is a directory|EINVAL 22 Invalid argument|EMFILE 24 Too many open files|EFBIG 27 File too large|"
    "ENOSPC 28 No space left on device|ESPIPE 29 Illegal seek|EROFS 30 Read-only file system|"
    "EMLINK 31 Too many links|EPIPE 32 Broken pipe|EDOM 33 Numerical argument out of domain|"
    "ERANGE 34 Numerical result out of range"
)
"""Linux error numbers and glibc's messages: errno(3)."""

DIRECTIVES = (
    "Y the year with century|m the month as a number|d the day of the month|H the hour on a 24-hour clock|"
    "M the minute|S the second|y the year without century|B the full month name|b the abbreviated month name|"
    "A the full weekday name|a the abbreviated weekday name|j the day of the year|p AM or PM|"
    "I the hour on a 12-hour clock|f the microsecond|z the offset from UTC|Z the name of the time zone|"
    "w the weekday as a number, Sunday being 0|U the week of the year, weeks beginning on Sunday|"
    "W the week of the year, weeks beginning on Monday"
)
"""Directives of strftime: the documentation of Python's datetime."""

COLOURS = "black brown red orange yellow green blue violet grey white"
"""Colours of a resistor's rings for the digits 0 to 9: IEC 60062."""

CONTROLS = (
    "NUL 0, STX 2, ETX 3, EOT 4, ACK 6, BEL 7, BS 8, HT 9, LF 10, VT 11, FF 12, CR 13, SO 14, SI 15, CAN 24, ESC 27, "
    "DEL 127"
)
"""ASCII control characters."""
