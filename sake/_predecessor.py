# SPDX-License-Identifier: BSD-3-Clause
"""Whether hikari-sake, whose package has the same name, was installed into the same folder.

Importing this checks: it is what `sake.redis` imports first, for that one replaces `sake/__init__.py` and
`sake/errors.py`, and takes both away with it.
"""

from __future__ import annotations

__all__: list[str] = []

import pathlib
import sys
import typing
import warnings

_CURE: typing.Final = "pip uninstall hikari-sake && pip install --force-reinstall sake-cache"
_ONE_OF_ITS_FILES: typing.Final = "_redis_iterators.py"

if "__version__" not in getattr(sys.modules["sake"], "__all__", ()):
    error_message = f"hikari-sake has replaced or removed files of sake-cache. To mend it: {_CURE}"
    raise ImportError(error_message)

if pathlib.Path(__file__).with_name(_ONE_OF_ITS_FILES).exists():
    warnings.warn(
        f"hikari-sake is installed in the folder of sake-cache, and will break it when it goes. To mend it: {_CURE}",
        stacklevel=4,
    )
