"""Why an EEG file is not read: damaged, of another kind, or in need of a package."""

from __future__ import annotations

from pathlib import Path

from trimcap.data.files.sizes import AGAIN

# what MNE says when a package is missing that reads a format
_PACKAGES = {
    "HDF reader": "pymatreader", "pymatreader": "pymatreader", "mffpy": "mffpy", "antio": "antio", "pyxdf": "pyxdf",
    "eeglabio": "eeglabio", "curryreader": "curryreader", "nedf": "mne",
}  # fmt: skip
# what other files may be, and what to do with them
_OTHERS = {
    ".mat": "a MATLAB file, of features or of a published set; check the set (trimcap data check FOLDER), "
    "or give its arrays to from_arrays",
    ".npy": "an array; give it to from_arrays, or check it with its folder (trimcap data check)",
    ".pkl": "a pickle, perhaps of a published set; check the folder of the set (trimcap data check FOLDER)",
    ".csv": "a table; a labels table has the columns file and label, a headset's file its program's names",
    ".txt": "text that no headset's program wrote that is known here (OpenBCI GUI, Mind Monitor, muselsl, EMOTIV)",
}
# words of parsers that stumbled over bytes
_DAMAGE = (
    "Could not read file using any", "invalid literal", "could not convert", "unpack", "buffer", "codec", "reshape",
    "truncat", "orrupt", "end of file", "EOF", "Unexpected", "negative", "out of range", "ot a valid", "nvalid tag",
    "broadcast", "maximum allowed", "larger than", "smaller than", "elements", "embedded null",
)  # fmt: skip
# FIF without signal
_OTHER_FIF = ("No raw data in", "Could not find any epochs", "No epochs", "Could not find the")


def no_recording(path: Path) -> str:
    """What a file is that holds no recording by its ending, and what to do with it; "" if it may hold one."""
    other = _OTHERS.get(path.suffix.lower())
    return f"{path} is no recording of EEG, but {other}" if other else ""


def refusal(path: Path, error: Exception) -> str:
    """What is wrong with a file that MNE, or a reader of this package, refused."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    kind = path.suffix or "EEG"
    if text.startswith(str(path)):  # told by a reader of this package
        return text
    package = next((name for words, name in _PACKAGES.items() if words in str(error)), "")
    if package or isinstance(error, ImportError):
        return f"{path} needs a package to be read: pip install {package or getattr(error, 'name', '') or '…'} ({text})"
    if "Unsupported file type" in text:
        return f"{path} is of a format that nothing here reads ({kind}); export it as EDF, FIF or BrainVision"
    if any(words in text for words in _OTHER_FIF):
        return f"{path} is FIF without a recording or epochs: covariances, filters, averages or the like; leave it out"
    telling = isinstance(error, ValueError | RuntimeError | TypeError) or type(error) is Exception
    if not telling or any(words in text for words in _DAMAGE):
        what = f"{path} is not a readable {kind} file ({type(error).__name__}: {text})"
        return f"{what}, so it is damaged or truncated; {AGAIN}"
    return f"{path} is not a readable {kind} file: {text}"
