# SPDX-License-Identifier: BSD-3-Clause
"""One family of entities each: event handlers and public methods."""
