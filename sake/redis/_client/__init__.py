# SPDX-License-Identifier: BSD-3-Clause
"""What a client is: settings, life cycle, the one listener and the event table."""
