# SPDX-License-Identifier: BSD-3-Clause
"""How frames are compressed on their way to a bot."""

from __future__ import annotations

__all__ = ["Encoder", "find_encoder"]

import sys
import typing
import zlib
from collections import abc as collections

Encoder: typing.TypeAlias = "collections.Callable[[bytes], bytes]"
"""Turns one payload into the bytes of one frame; it remembers the frames before, so it serves one connection."""


def find_encoder(compression: str | None, /) -> Encoder | None:
    """Make the encoder of a connection.

    Parameters
    ----------
    compression
        The `compress` parameter of the URL that the bot connects to: `zlib-stream`, `zstd-stream` or nothing.

    Returns
    -------
    collections.abc.Callable[[bytes], bytes] | None
        The encoder, or `None` for text frames that are sent as they are.

    Raises
    ------
    ValueError
        If there is no such compression, or zstd is asked for where neither Python 3.14 nor `backports.zstd` is
        installed.
    """
    if compression is None:
        return None

    if compression == "zlib-stream":
        return _zlib_stream()

    if compression == "zstd-stream":
        return _zstd_stream()

    raise ValueError(f"unknown compression: {compression!r}")


def _zlib_stream() -> Encoder:
    compressor = zlib.compressobj(zlib.Z_BEST_SPEED)

    def encode(data: bytes, /) -> bytes:
        return compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)

    return encode


def _zstd_stream() -> Encoder:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ModuleNotFoundError as error:
        raise ValueError("zstd-stream needs the package backports.zstd on this Python") from error

    compressor = zstd.ZstdCompressor(level=1)

    def encode(data: bytes, /) -> bytes:
        return compressor.compress(data, mode=zstd.ZstdCompressor.FLUSH_BLOCK)

    return encode
