"""What a package says of the data that it comes from, and the codes of what it finds."""

from dataclasses import dataclass

from ..errors import TrainingError


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


def licence(sources: set[str], given: str | None) -> str:
    """The strictest of the sources' terms. @raises TrainingError where a source's are not known and none is given"""
    if given:
        return given
    unknown = sorted(sources - SOURCES.keys())
    if unknown:
        raise TrainingError(
            f"the terms of {', '.join(unknown)} are not known here: say with --licence what the weights may be used for"
        )
    known = [SOURCES[name] for name in sorted(sources)]
    trained_on = "; ".join(f"{each.title}, {each.terms}" for each in known)
    return f"{'CC-BY-4.0' if all(each.free for each in known) else 'CC-BY-NC-4.0'} (trained on {trained_on})"


def intended_use(finding: str) -> str:
    return (
        f"Research use only, not a medical device: points out {finding} on frontal chest radiographs, for a "
        "radiologist who "
        "reads every image. Not for diagnosis, not for ruling disease out."
    )
