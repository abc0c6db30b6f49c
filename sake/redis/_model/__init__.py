# SPDX-License-Identifier: BSD-3-Clause
"""What is stored, and what changes of it: no task, no connection, no log."""
