"""What ``make lab`` opens: each study with its exercises as one notebook, which is saved as the two files it is of."""

import jupytext

from lib import records, study
from lib.book.classroom import chapter, notebook


class Studies(jupytext.AsyncTextFileContentsManager):
    """Jupyter's reader and writer of files, for the folder of the studies."""

    async def get(self, path: str, content: bool = True, **how) -> dict:
        """The model of a file; of a study with the cells of its exercises."""
        model = await super().get(path, content=content, **how)
        if content and model["type"] == "notebook" and (name := _study(path)):
            model["content"]["cells"] = chapter.together(model["content"]["cells"], name)
        return model

    async def save(self, model: dict, path: str = "") -> dict:
        """Write a file; of a study the exercises into their own, where there are any."""
        if model["type"] == "notebook" and (name := _study(path)):
            written, asked = chapter.apart(model["content"]["cells"])
            model = model | {"content": model["content"] | {"cells": written}}
            if asked:
                records.write_text(notebook.ASKED / f"{name}.py", chapter.as_text(asked))
        return await super().save(model, path)


def _study(path: str) -> str:
    """The study that a path below the folder of the studies names; empty where it is another file."""
    stem, _, kind = path.strip("/").rpartition(".")
    return stem if kind == "py" and stem in study.names() else ""
