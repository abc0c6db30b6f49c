# SPDX-License-Identifier: BSD-3-Clause
"""Models back to payloads, for what hikari gives as models only. Pure.

hikari's REST client keeps the payloads it gets to itself. What it builds of them has all fields that hikari knows, so a
payload made of those builds the same model again. What hikari does not know is lost, which no reader could see anyway.
"""

from __future__ import annotations

__all__ = ["application_payload", "authorization_payload", "dm_channel_payload", "user_payload"]

import typing

import hikari
from hikari import applications
from hikari import users

_Payload = dict[str, typing.Any]


def application_payload(application: hikari.Application, /) -> _Payload:
    """Return the payload of an application."""
    return {
        **_any_application(application),
        "owner": user_payload(application.owner),
        "rpc_origins": None if application.rpc_origins is None else list(application.rpc_origins),
        "flags": int(application.flags),
        "team": None if application.team is None else _team(application.team),
        "cover_image": application.cover_image_hash,
        "role_connections_verification_url": application.role_connections_verification_url,
        "custom_install_url": application.custom_install_url,
        "tags": list(application.tags),
        "install_params": _install_parameters(application.install_parameters),
        "approximate_guild_count": application.approximate_guild_count,
        "approximate_user_install_count": application.approximate_user_install_count,
        "integration_types_config": {
            str(int(place)): {"oauth2_install_params": _install_parameters(settings.oauth2_install_parameters)}
            for place, settings in application.integration_types_config.items()
        },
        "event_webhooks_url": application.event_webhooks_url,
        "event_webhooks_status": int(application.event_webhooks_status),
        "event_webhooks_types": [str(name) for name in application.event_webhooks_types],
    }


def authorization_payload(application: hikari.AuthorizationApplication, /) -> _Payload:
    """Return the payload of an application as it is part of an authorization."""
    return _any_application(application)


def dm_channel_payload(channel: hikari.DMChannel, /) -> _Payload:
    """Return the payload of a direct message channel."""
    return {
        "id": str(channel.id),
        "name": channel.name,
        "type": int(channel.type),
        "last_message_id": _text(channel.last_message_id),
        "recipients": [user_payload(channel.recipient)],
    }


def user_payload(user: hikari.User, /) -> _Payload:
    """Return the payload of a user."""
    return {
        "id": str(user.id),
        "username": user.username,
        "discriminator": user.discriminator,
        "global_name": user.global_name,
        "avatar": user.avatar_hash,
        "avatar_decoration_data": _avatar_decoration(user.avatar_decoration),
        "banner": user.banner_hash,
        "accent_color": None if user.accent_color is None else int(user.accent_color),
        "primary_guild": _primary_guild(user.primary_guild),
        "bot": user.is_bot,
        "system": user.is_system,
        "public_flags": int(user.flags),
    }


def _any_application(application: hikari.Application | hikari.AuthorizationApplication, /) -> _Payload:
    return {
        "id": str(application.id),
        "name": application.name,
        "description": application.description or "",
        "icon": application.icon_hash,
        "bot_public": application.is_bot_public,
        "bot_require_code_grant": application.is_bot_code_grant_required,
        "verify_key": application.public_key.hex(),
        "terms_of_service_url": application.terms_of_service_url,
        "privacy_policy_url": application.privacy_policy_url,
    }


def _team(team: hikari.Team, /) -> _Payload:
    return {
        "id": str(team.id),
        "name": team.name,
        "icon": team.icon_hash,
        "owner_user_id": str(team.owner_id),
        "members": [
            {
                "membership_state": int(member.membership_state),
                "permissions": list(member.permissions),
                "team_id": str(member.team_id),
                "user": user_payload(member.user),
            }
            for member in team.members.values()
        ],
    }


def _install_parameters(
    parameters: applications.ApplicationInstallParameters | applications.OAuth2InstallParameters | None, /
) -> _Payload | None:
    if parameters is None:
        return None

    return {
        "scopes": [str(scope) for scope in parameters.scopes],
        "permissions": str(int(parameters.permissions)),
    }


def _avatar_decoration(decoration: users.AvatarDecoration | None, /) -> _Payload | None:
    if decoration is None:
        return None

    expires_at = None if decoration.expires_at is None else decoration.expires_at.timestamp()
    return {"asset": decoration.asset_hash, "sku_id": str(decoration.sku_id), "expires_at": expires_at}


def _primary_guild(guild: hikari.PrimaryGuild | None, /) -> _Payload | None:
    if guild is None:
        return None

    return {
        "identity_guild_id": _text(guild.identity_guild_id),
        "identity_enabled": guild.identity_enabled,
        "tag": guild.tag,
        "badge": guild.badge_hash,
    }


def _text(snowflake: hikari.Snowflake | None, /) -> str | None:
    return None if snowflake is None else str(snowflake)
