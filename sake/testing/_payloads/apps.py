# SPDX-License-Identifier: BSD-3-Clause
"""Builders for applications, commands and interactions."""

from __future__ import annotations

__all__ = ["ApplicationPayloads"]

import typing
from collections import abc as collections

from .messages import MessagePayloads
from .source import Payload

_ADMINISTRATOR: typing.Final = "8"
_ATTACHMENT_LIMIT: typing.Final = 10_485_760
_STRING_OPTION: typing.Final = 3


class ApplicationPayloads(MessagePayloads):
    """The part of `Payloads` that builds applications and interactions."""

    __slots__ = ()

    def application(self, *, id: str | None = None, **overrides: typing.Any) -> Payload:
        """Build an application, as REST sends it to its own bot.

        Parameters
        ----------
        id
            The application's id, which is its bot's too; a new one when not given.
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            A whole application.
        """
        return {
            "id": self._id(id, within_days=900),
            "name": "loopback",
            "icon": None,
            "description": self.sentence(),
            "summary": "",
            "type": None,
            "owner": self.user(),
            "team": None,
            "bot_public": False,
            "bot_require_code_grant": False,
            "verify_key": self.digest() + self.digest(),
            "flags": 8_953_856,
            "rpc_origins": [],
            "tags": [],
            "integration_types_config": {"0": {}},
            "approximate_guild_count": 1,
            "approximate_user_install_count": 0,
            **overrides,
        }

    def slash_command(
        self, *, application_id: str | None = None, name: str = "ping", **overrides: typing.Any
    ) -> Payload:
        """Build a registered slash command, as REST sends it.

        Parameters
        ----------
        application_id
            Whose command it is; a new id when not given.
        name
            The command's name.
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            A whole command.
        """
        return {
            "id": self.snowflake(within_days=100),
            "application_id": self._id(application_id, within_days=900),
            "version": self.snowflake(within_days=100),
            "type": 1,
            "name": name,
            "description": "What it does",
            "default_member_permissions": None,
            "nsfw": False,
            "options": [],
            **overrides,
        }

    def command_interaction(
        self,
        *,
        name: str = "ping",
        options: collections.Sequence[collections.Mapping[str, typing.Any]] = (),
        guild_id: str | None = None,
        member: collections.Mapping[str, typing.Any] | None = None,
        user: collections.Mapping[str, typing.Any] | None = None,
        **overrides: typing.Any,
    ) -> Payload:
        """Build what INTERACTION_CREATE carries when somebody uses a slash command.

        Parameters
        ----------
        name
            The command's name.
        options
            The options that were filled in.
        guild_id
            The guild. Without one it happens in a direct message channel.
        member
            Who uses it in a guild; a new member when not given.
        user
            Who uses it in a direct message channel; a new user when not given.
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            A whole interaction.
        """
        data = {"id": self.snowflake(within_days=100), "name": name, "type": 1, "options": list(options)}
        return self._interaction(2, data, guild_id=guild_id, member=member, user=user, overrides=overrides)

    def component_interaction(
        self,
        *,
        custom_id: str = "press",
        message: collections.Mapping[str, typing.Any] | None = None,
        guild_id: str | None = None,
        member: collections.Mapping[str, typing.Any] | None = None,
        user: collections.Mapping[str, typing.Any] | None = None,
        **overrides: typing.Any,
    ) -> Payload:
        """Build what INTERACTION_CREATE carries when somebody presses a button.

        Parameters
        ----------
        custom_id
            What the bot knows the button by.
        message
            The message the button is on; a new one when not given.
        guild_id
            The guild. Without one it happens in a direct message channel.
        member
            Who presses in a guild; a new member when not given.
        user
            Who presses in a direct message channel; a new user when not given.
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            A whole interaction.
        """
        if message is None:
            message = self.message(components=[self.button_row(custom_id=custom_id)])

        options = {"message": message, "channel_id": message["channel_id"], **overrides}
        data = {"id": 2, "custom_id": custom_id, "component_type": 2}
        return self._interaction(3, data, guild_id=guild_id, member=member, user=user, overrides=options)

    def autocomplete_interaction(
        self,
        *,
        name: str = "ping",
        option: str = "text",
        value: str = "",
        options: collections.Sequence[collections.Mapping[str, typing.Any]] | None = None,
        guild_id: str | None = None,
        member: collections.Mapping[str, typing.Any] | None = None,
        user: collections.Mapping[str, typing.Any] | None = None,
        **overrides: typing.Any,
    ) -> Payload:
        """Build what INTERACTION_CREATE carries while somebody types an option of a slash command.

        Parameters
        ----------
        name
            The command's name.
        option
            The name of the option that is being typed.
        value
            What has been typed of it so far.
        options
            All options, in place of the one; the one that is being typed has `"focused": True`.
        guild_id
            The guild. Without one it happens in a direct message channel.
        member
            Who types in a guild; a new member when not given.
        user
            Who types in a direct message channel; a new user when not given.
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            A whole interaction.
        """
        if options is None:
            options = [{"name": option, "type": _STRING_OPTION, "value": value, "focused": True}]

        data = {"id": self.snowflake(within_days=100), "name": name, "type": 1, "options": list(options)}
        return self._interaction(4, data, guild_id=guild_id, member=member, user=user, overrides=overrides)

    def modal_interaction(
        self,
        *,
        custom_id: str = "form",
        values: collections.Mapping[str, str] | None = None,
        message: collections.Mapping[str, typing.Any] | None = None,
        guild_id: str | None = None,
        member: collections.Mapping[str, typing.Any] | None = None,
        user: collections.Mapping[str, typing.Any] | None = None,
        **overrides: typing.Any,
    ) -> Payload:
        """Build what INTERACTION_CREATE carries when somebody sends off a modal.

        Parameters
        ----------
        custom_id
            What the bot knows the modal by.
        values
            What was filled in, by the text inputs' custom ids; one input with some text when not given.
        message
            The message with the button that the modal was opened by, if it was opened by one.
        guild_id
            The guild. Without one it happens in a direct message channel.
        member
            Who sends it in a guild; a new member when not given.
        user
            Who sends it in a direct message channel; a new user when not given.
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            A whole interaction.
        """
        if values is None:
            values = {"text": self.sentence()}

        rows = [
            {
                "type": 1,
                "id": 2 * row + 1,
                "components": [{"type": 4, "id": 2 * row + 2, "custom_id": id_, "value": value}],
            }
            for row, (id_, value) in enumerate(values.items())
        ]
        place = {} if message is None else {"message": message, "channel_id": message["channel_id"]}
        data = {"custom_id": custom_id, "components": rows}
        options = {**place, **overrides}
        return self._interaction(5, data, guild_id=guild_id, member=member, user=user, overrides=options)

    def _interaction(
        self,
        type: int,
        data: Payload,
        /,
        *,
        guild_id: str | None,
        member: collections.Mapping[str, typing.Any] | None,
        user: collections.Mapping[str, typing.Any] | None,
        overrides: Payload,
    ) -> Payload:
        channel_id = overrides.get("channel_id") or self.snowflake(within_days=900)
        application_id = overrides.get("application_id") or self.snowflake(within_days=900)
        interaction: Payload = {
            "id": self.snowflake(),
            "application_id": application_id,
            "type": type,
            "token": self.digest() + self.digest(),
            "version": 1,
            "data": data,
            "channel_id": channel_id,
            "locale": "en-US",
            "app_permissions": _ADMINISTRATOR,
            "entitlements": [],
            "attachment_size_limit": _ATTACHMENT_LIMIT,
        }
        if guild_id is None:
            interaction |= {
                "user": user if user is not None else self.user(),
                "channel": {"id": channel_id, "type": 1},
                "context": 1,
                "authorizing_integration_owners": {"0": "0"},
            }
        else:
            member = member if member is not None else self.member()
            interaction |= {
                "guild_id": guild_id,
                "guild_locale": "en-US",
                "member": {**member, "permissions": _ADMINISTRATOR},
                "channel": {"id": channel_id, "type": 0, "name": self.word(), "permissions": _ADMINISTRATOR},
                "context": 0,
                "authorizing_integration_owners": {"0": guild_id},
            }

        return {**interaction, **overrides}

    def entitlement(
        self, *, guild_id: str | None = None, user_id: str | None = None, **overrides: typing.Any
    ) -> Payload:
        """Build an entitlement.

        Parameters
        ----------
        guild_id
            The guild that paid.
        user_id
            The user who paid.
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            A whole entitlement, for the guild or the user, or for neither.
        """
        entitlement: Payload = {
            "id": self.snowflake(),
            "sku_id": self.snowflake(within_days=200),
            "application_id": self.snowflake(within_days=900),
            "type": 8,
            "deleted": False,
            "consumed": False,
            "starts_at": self.timestamp(),
            "ends_at": None,
        }
        owners = {"guild_id": guild_id, "user_id": user_id}
        return {**entitlement, **{key: value for key, value in owners.items() if value is not None}, **overrides}

    def auto_mod_rule(self, *, guild_id: str | None = None, **overrides: typing.Any) -> Payload:
        """Build an auto-moderation rule.

        Parameters
        ----------
        guild_id
            The guild; a new id when not given.
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            A whole rule, which blocks messages by keyword.
        """
        return {
            "id": self.snowflake(within_days=200),
            "guild_id": self._id(guild_id, within_days=1_500),
            "name": self.word(),
            "creator_id": self.snowflake(within_days=2_500),
            "event_type": 1,
            "trigger_type": 1,
            "trigger_metadata": {"keyword_filter": ["spam*"], "regex_patterns": [], "allow_list": []},
            "actions": [{"type": 1, "metadata": {}}],
            "enabled": True,
            "exempt_roles": [],
            "exempt_channels": [],
            **overrides,
        }

    def audit_log_entry(self, *, guild_id: str | None = None, **overrides: typing.Any) -> Payload:
        """Build an audit log entry, as GUILD_AUDIT_LOG_ENTRY_CREATE carries it.

        Parameters
        ----------
        guild_id
            The guild; a new id when not given.
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            The entry of a changed role.
        """
        return {
            "id": self.snowflake(),
            "guild_id": self._id(guild_id, within_days=1_500),
            "action_type": 31,
            "user_id": self.snowflake(within_days=2_500),
            "target_id": self.snowflake(within_days=900),
            "changes": [{"key": "name", "old_value": self.word(), "new_value": self.word()}],
            **overrides,
        }
