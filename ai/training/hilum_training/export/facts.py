"""What a package says of the data that it comes from, and the codes of what it finds."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import TrainingError
from ..networks.origins import Origin


@dataclass(frozen=True)
class Source:
    """`free`: weights trained on it may be used for anything that its licence's naming of the source allows."""

    title: str
    terms: str
    free: bool


SOURCES = {
    "kermany": Source("Kermany 2018, doi 10.17632/rscbjbr9sj.2, children of 1 to 5 years", "CC BY 4.0", True),
    "siim": Source("SIIM-FISABIO-RSNA COVID-19 2021, adults", "non-commercial terms", False),
    "rsna": Source("RSNA Pneumonia Detection Challenge 2018", "non-commercial terms", False),
    "phantom": Source("drawn thoraxes (ai/phantom)", "Apache-2.0", True),
}


@dataclass(frozen=True)
class Code:
    """PS3.3 8.8: value, coding scheme designator, meaning."""

    value: str
    scheme: str
    meaning: str


CODES = {
    "opacity": Code("112001", "DCM", "Opacity"),  # CID 6102
    "pneumonia": Code("233604007", "SCT", "Pneumonia"),
    "bacterial": Code("53084003", "SCT", "Bacterial pneumonia"),
    "viral": Code("75570004", "SCT", "Viral pneumonia"),
    "normal": Code("17621005", "SCT", "Normal"),
}


# What this project gives weights out under, the strictest last.
LICENCES = ("CC-BY-4.0", "CC-BY-NC-4.0")


def licence(sources: set[str], origins: Sequence[Origin], given: str | None) -> str:
    """The strictest terms of the data, and of the weights that these came from.

    @raises TrainingError where some are not known and none is given
    """
    if given:
        return given
    unknown = sorted(sources - SOURCES.keys())
    if unknown:
        raise TrainingError(
            f"the terms of {', '.join(unknown)} are not known here: say with --licence what the weights may be used for"
        )
    known = [SOURCES[name] for name in sorted(sources)]
    terms = [LICENCES[0] if each.free else LICENCES[1] for each in known]
    for one in origins:
        if "split" in one:
            continue  # a run of ours: its sources are among these
        theirs = one.get("licence", "").partition(" ")[0]
        if theirs not in LICENCES:
            raise TrainingError(f"the terms of {one['file']} are not known here: say with --licence what the weights may be used for")
        terms.append(theirs)
    said = [f"trained on {'; '.join(f'{each.title}, {each.terms}' for each in known)}"]
    said += [f"{one['role']} {one['name']}, {one['licence']}" for one in origins if "licence" in one]
    return f"{max(terms, key=LICENCES.index)} ({'; '.join(said)})"


def intended_use(finding: str) -> str:
    return (
        f"Research use only, not a medical device: points out {finding} on frontal chest radiographs, for a "
        "radiologist who "
        "reads every image. Not for diagnosis, not for ruling disease out."
    )
