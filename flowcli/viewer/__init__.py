"""One self-contained HTML page to look into flow: this side only packs data, `page/` is the page itself.

`clip` collects pairs under a limit of size, `planes` and `pictures` turn arrays into bytes, `bundle` joins the modules
of `page/` into one script, `document` writes the file. The format of the data is described in `page/data.js`, which
reads it.
"""

from flowcli.viewer.clip import Clip, ViewedPair
from flowcli.viewer.document import About, write_page

__all__ = ["About", "Clip", "ViewedPair", "write_page"]
