# SPDX-License-Identifier: BSD-3-Clause
"""The REST side: what may be asked for, and what is answered."""
