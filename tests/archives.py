"""Recorded answers of the archives that cut-outs are fetched from: nothing here touches the network."""

import io
import urllib.parse

import numpy as np
from astropy.io import fits
from astropy.table import Table

RA, DEC = 59.1, -49.3
ROOT = "https://irsa.ipac.caltech.edu/ibe/data/euclid/q1/MER/102018211"
MOSAIC = "EUC_MER_BGSUB-MOSAIC-{0}_TILE102018211-{1}_{2}_00.00.fits"
RMS = "EUC_MER_MOSAIC-{0}-RMS_TILE102018211-{1}_{2}_00.00.fits"
NAMES = [
    MOSAIC.format("VIS", "ACBD03", "20241018T142710.276838Z"),
    MOSAIC.format("VIS", "000000", "20240101T000000.000000Z"),  # an older version
    MOSAIC.format("NIR-H", "2F3A11", "20241018T143232.101010Z"),
    RMS.format("VIS", "ACBD03", "20241018T142710.276838Z"),
    RMS.format("NIR-H", "2F3A11", "20241018T143232.101010Z"),
    "EUC_MER_GRID-PSF-VIS_TILE102018211-ACBD03_20241018T142710.276838Z_00.00.fits",
    "EUC_MER_FINAL-CAT_TILE102018211-ACBD03_20241018T142710.276838Z_00.00.fits",
]
ZERO = {"VIS": 24.6, "NIR-H": 29.9}


def listing(names=NAMES):
    """The answer of a Simple Image Access service, with the columns that matter."""
    rows = "".join(
        f"<TR><TD>{ROOT}/{n}</TD><TD>science</TD><TD>{n.partition('-')[2][:3]}</TD></TR>" for n in names
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results">
<INFO name="QUERY_STATUS" value="OK"/><TABLE>
<FIELD name="access_url" datatype="char" arraysize="*" ucd="meta.ref.url"/>
<FIELD name="dataproduct_subtype" datatype="char" arraysize="*"/>
<FIELD name="energy_bandpassname" datatype="char" arraysize="*"/>
<DATA><TABLEDATA>{rows}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>""".encode()


def cutout(name, side=60):
    h = fits.Header()
    for axis, (ctype, value) in enumerate((("RA---TAN", RA), ("DEC--TAN", DEC)), 1):
        h[f"CTYPE{axis}"], h[f"CRVAL{axis}"], h[f"CRPIX{axis}"] = ctype, value, side / 2
    h["CD1_1"], h["CD2_2"] = -0.1 / 3600, 0.1 / 3600
    if "RMS" not in name:
        h["MAGZERO"] = ZERO["VIS" if "VIS" in name else "NIR-H"]
    buffer = io.BytesIO()
    fits.PrimaryHDU(np.full((side, side), 0.5 if "RMS" in name else 3.0, np.float32), h).writeto(buffer)
    return buffer.getvalue()


def psf_stamps():
    image = fits.ImageHDU(np.ones((21, 21), np.float32))
    image.header["STMPSIZE"] = 21
    columns = [fits.Column(n, "D", array=[v]) for n, v in
               (("RA", RA), ("Dec", DEC), ("x_center", 11.0), ("y_center", 11.0))]  # fmt: skip
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), image, fits.BinTableHDU.from_columns(columns)]).writeto(buffer)
    return buffer.getvalue()


class Recorded:
    """Answers of IRSA as they were, and a list of what was asked."""

    def __init__(self, names=NAMES, answer=None):
        self.names, self.answer, self.asked = names, answer, []

    def get(self, url, timeout):
        self.asked.append(url)
        if self.answer is not None:
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer
        parts = urllib.parse.urlsplit(url)
        if parts.path == "/SIA":
            return listing(self.names)
        name = parts.path.rsplit("/", 1)[1]
        return psf_stamps() if "PSF" in name else cutout(name)


class Esa:
    """What astroquery's EuclidClass answers."""

    def __init__(self, fails=False):
        self.fails, self.query = fails, None

    def launch_job(self, query):
        self.query = query
        rows = [(n, "/euclid/q1/102018211", "VIS" if "VIS" in n else "NISP", 102018211) for n in NAMES[:3]]
        self.table = Table(rows=rows, names=("file_name", "file_path", "instrument_name", "tile_index"))
        return self

    def get_results(self):
        return self.table

    def get_cutout(self, *, file_path, instrument, id, coordinate, radius, output_file):
        if self.fails:
            return None
        assert file_path.startswith("/euclid/q1/102018211/EUC_") and id == "102018211"
        with open(output_file, "wb") as file:
            file.write(cutout(file_path))
        return [output_file]
