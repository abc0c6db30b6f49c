# SPDX-License-Identifier: BSD-3-Clause
"""The payload builders and the world of `sake.testing`, without any server."""

from __future__ import annotations

import collections
import datetime
import subprocess
import sys
import typing

import hikari
import hypothesis
import orjson
import pytest
from hypothesis import strategies

from sake import _names
from sake import testing

Payload = dict[str, typing.Any]

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
GUILD_ID = hikari.Snowflake(123)
TOKEN = "MTAwMDAwMDAwMDAwMDAwMDAw.none.none"


@pytest.fixture
def payloads() -> testing.Payloads:
    return testing.Payloads(seed=5)


@pytest.fixture(scope="module")
def bot() -> hikari.GatewayBot:
    return hikari.GatewayBot(TOKEN, banner=None, logs=None, suppress_optimization_warning=True)


def _guild_parts(bot: hikari.GatewayBot, payload: Payload) -> int:
    definition = bot.entity_factory.deserialize_gateway_guild(payload, user_id=GUILD_ID)
    parts = (
        definition.channels(),
        definition.emojis(),
        definition.members(),
        definition.presences(),
        definition.roles(),
        definition.stickers(),
        definition.threads(),
        definition.voice_states(),
    )
    assert [len(part) for part in parts] == [len(payload[name]) for name in _names.LISTS]
    return definition.guild().id


CHANNEL_TYPES = (
    hikari.ChannelType.GUILD_TEXT,
    hikari.ChannelType.GUILD_VOICE,
    hikari.ChannelType.GUILD_CATEGORY,
    hikari.ChannelType.GUILD_NEWS,
    hikari.ChannelType.GUILD_STAGE,
    hikari.ChannelType.GUILD_FORUM,
    hikari.ChannelType.GUILD_MEDIA,
)
THREAD_TYPES = (
    hikari.ChannelType.GUILD_PUBLIC_THREAD,
    hikari.ChannelType.GUILD_PRIVATE_THREAD,
    hikari.ChannelType.GUILD_NEWS_THREAD,
)

# What is built, and how hikari's entity factory reads it. The second returns something that must equal the third.
KINDS: dict[str, tuple[typing.Callable[..., typing.Any], typing.Callable[..., typing.Any], typing.Any]] = {
    "user": (lambda p: p.user(id="7"), lambda f, x: f.deserialize_user(x).id, 7),
    "own_user": (lambda p: p.own_user(), lambda f, x: f.deserialize_my_user(x).is_bot, True),
    "member": (
        lambda p: p.member(roles=["9"]),
        lambda f, x: f.deserialize_member(x, guild_id=GUILD_ID).role_ids,
        [9, GUILD_ID],
    ),
    "role": (lambda p: p.role(id="7"), lambda f, x: f.deserialize_role(x, guild_id=GUILD_ID).id, 7),
    "everyone_role": (
        lambda p: p.everyone_role("123"),
        lambda f, x: (f.deserialize_role(x, guild_id=GUILD_ID).id, f.deserialize_role(x, guild_id=GUILD_ID).name),
        (123, "@everyone"),
    ),
    "emoji": (
        lambda p: p.emoji(id="7"),
        lambda f, x: f.deserialize_known_custom_emoji(x, guild_id=GUILD_ID).id,
        7,
    ),
    "sticker": (lambda p: p.sticker(guild_id="123"), lambda f, x: f.deserialize_guild_sticker(x).guild_id, 123),
    "presence": (
        lambda p: p.presence(status="idle", activities=[p.activity()]),
        lambda f, x: (
            f.deserialize_member_presence(x, guild_id=GUILD_ID).visible_status,
            len(f.deserialize_member_presence(x, guild_id=GUILD_ID).activities),
        ),
        (hikari.Status.IDLE, 1),
    ),
    "offline presence": (
        lambda p: p.presence(status="offline"),
        lambda f, x: f.deserialize_member_presence(x, guild_id=GUILD_ID).visible_status,
        hikari.Status.OFFLINE,
    ),
    "voice_state": (
        lambda p: p.voice_state(channel_id="7", member=p.member(), guild_id="123"),
        lambda f, x: f.deserialize_voice_state(x).channel_id,
        7,
    ),
    "left_voice_state": (
        lambda p: p.left_voice_state(guild_id="123"),
        lambda f, x: f.deserialize_voice_state(x).channel_id,
        None,
    ),
    "ban": (lambda p: p.ban(reason="spam"), lambda f, x: f.deserialize_guild_member_ban(x).reason, "spam"),
    "thread_member": (
        lambda p: p.thread_member(thread_id="7"),
        lambda f, x: f.deserialize_thread_member(x).thread_id,
        7,
    ),
    "dm_channel": (
        lambda p: p.dm_channel(recipient=p.user(id="7")),
        lambda f, x: f.deserialize_dm(x).recipient.id,
        7,
    ),
    "dm_channel of a stranger": (
        lambda p: p.dm_channel(),
        lambda f, x: f.deserialize_channel(x).type,
        hikari.ChannelType.DM,
    ),
    "invite": (
        lambda p: p.invite(inviter=p.user(id="7"), max_age=60),
        lambda f, x: (
            f.deserialize_invite_with_metadata(x).inviter.id,
            f.deserialize_invite_with_metadata(x).max_age,
        ),
        (7, datetime.timedelta(seconds=60)),
    ),
    "invite for ever": (
        lambda p: p.invite(max_age=0),
        lambda f, x: f.deserialize_invite_with_metadata(x).expires_at,
        None,
    ),
    "message": (
        lambda p: p.message(guild_id="123", content="hi"),
        lambda f, x: (
            f.deserialize_message(x).content,
            f.deserialize_message(x).member.user.id == int(x["author"]["id"]),
        ),
        ("hi", True),
    ),
    "direct message": (lambda p: p.message(), lambda f, x: f.deserialize_message(x).guild_id, None),
    "reply": (
        lambda p: p.reply(p.message(id="7", guild_id="123")),
        lambda f, x: (f.deserialize_message(x).referenced_message.id, f.deserialize_message(x).guild_id),
        (7, 123),
    ),
    "rich_message": (
        lambda p: p.rich_message(),
        lambda f, x: [
            len(getattr(f.deserialize_message(x), name))
            for name in ("embeds", "attachments", "user_mentions", "role_mention_ids", "components", "reactions")
        ],
        [1, 1, 1, 1, 1, 1],
    ),
    "message_update": (
        lambda p: p.message_update(p.message(id="7", guild_id="123"), content="new"),
        lambda f, x: (f.deserialize_partial_message(x).content, f.deserialize_partial_message(x).author),
        ("new", hikari.UNDEFINED),
    ),
    "application": (lambda p: p.application(id="7"), lambda f, x: f.deserialize_application(x).id, 7),
    "slash_command": (
        lambda p: p.slash_command(name="go"),
        lambda f, x: f.deserialize_slash_command(x, guild_id=None).name,
        "go",
    ),
    "command in a guild": (
        lambda p: p.command_interaction(guild_id="123", name="go"),
        lambda f, x: (f.deserialize_interaction(x).guild_id, f.deserialize_interaction(x).command_name),
        (123, "go"),
    ),
    "command in a DM": (
        lambda p: p.command_interaction(user=p.user(id="7")),
        lambda f, x: (f.deserialize_interaction(x).user.id, f.deserialize_interaction(x).guild_id),
        (7, None),
    ),
    "component in a guild": (
        lambda p: p.component_interaction(guild_id="123", custom_id="go"),
        lambda f, x: (f.deserialize_interaction(x).member.guild_id, f.deserialize_interaction(x).custom_id),
        (123, "go"),
    ),
    "component in a DM": (
        lambda p: p.component_interaction(message=p.message(id="7")),
        lambda f, x: f.deserialize_interaction(x).message.id,
        7,
    ),
    "autocomplete in a guild": (
        lambda p: p.autocomplete_interaction(guild_id="123", name="go", option="where", value="ho"),
        lambda f, x: [(o.name, o.value, o.is_focused) for o in f.deserialize_interaction(x).options],
        [("where", "ho", True)],
    ),
    "autocomplete in a DM": (
        lambda p: p.autocomplete_interaction(user=p.user(id="7")),
        lambda f, x: (f.deserialize_interaction(x).user.id, f.deserialize_interaction(x).guild_id),
        (7, None),
    ),
    "modal in a guild": (
        lambda p: p.modal_interaction(guild_id="123", custom_id="go", values={"a": "b"}),
        lambda f, x: (f.deserialize_interaction(x).custom_id, f.deserialize_interaction(x).components[0][0].value),
        ("go", "b"),
    ),
    "modal of a button": (
        lambda p: p.modal_interaction(message=p.message(id="7")),
        lambda f, x: f.deserialize_interaction(x).message.id,
        7,
    ),
    "scheduled event in a channel": (
        lambda p: p.scheduled_event(channel_id="7"),
        lambda f, x: f.deserialize_scheduled_event(x).channel_id,
        7,
    ),
    "scheduled event elsewhere": (
        lambda p: p.scheduled_event(),
        lambda f, x: f.deserialize_scheduled_event(x).location,
        "the harbor",
    ),
    "stage_instance": (
        lambda p: p.stage_instance(channel_id="7"),
        lambda f, x: f.deserialize_stage_instance(x).channel_id,
        7,
    ),
    "integration": (
        lambda p: p.integration(guild_id="123"),
        lambda f, x: f.deserialize_integration(x).guild_id,
        123,
    ),
    "entitlement": (
        lambda p: p.entitlement(user_id="7"),
        lambda f, x: (f.deserialize_entitlement(x).user_id, f.deserialize_entitlement(x).guild_id),
        (7, None),
    ),
    "auto_mod_rule": (
        lambda p: p.auto_mod_rule(guild_id="123"),
        lambda f, x: f.deserialize_auto_mod_rule(x).guild_id,
        123,
    ),
    "audit_log_entry": (
        lambda p: p.audit_log_entry(guild_id="123"),
        lambda f, x: f.deserialize_audit_log_entry(x).guild_id,
        123,
    ),
    **{
        f"channel {type_.name}": (
            lambda p, type_=type_: p.channel(type=type_, role_ids=["9"]),
            lambda f, x: (
                f.deserialize_channel(x, guild_id=GUILD_ID).type,
                list(f.deserialize_channel(x, guild_id=GUILD_ID).permission_overwrites),
            ),
            (type_, [9]),
        )
        for type_ in CHANNEL_TYPES
    },
    **{
        f"thread {type_.name}": (
            lambda p, type_=type_: p.thread(type=type_, joined=True, parent_id="7"),
            lambda f, x: (
                f.deserialize_guild_thread(x, guild_id=GUILD_ID, user_id=hikari.Snowflake(8)).member.user_id,
                f.deserialize_guild_thread(x, guild_id=GUILD_ID, user_id=hikari.Snowflake(8)).parent_id,
            ),
            (8, 7),
        )
        for type_ in THREAD_TYPES
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_hikari_builds_a_model_from_every_kind_of_payload(
    kind: str, payloads: testing.Payloads, bot: hikari.GatewayBot
) -> None:
    build, read, expected = KINDS[kind]
    payload = orjson.loads(orjson.dumps(build(payloads)))

    assert read(bot.entity_factory, payload) == expected


def test_every_builder_is_tried_against_hikari(payloads: testing.Payloads) -> None:
    helpers = {"chance", "digest", "milliseconds", "moment", "pick", "random", "sentence", "snowflake", "timestamp"}
    helpers |= {"whole", "word"}
    parts = {"activity", "attachment", "button_row", "embed", "overwrite", "reaction", "guild_fields"}
    elsewhere = {"guild", "unavailable_guild", "reaction_event", "typing_event", "soundboard_sound"}
    builders = {name for name in dir(payloads) if not name.startswith("_")} - helpers - parts - elsewhere
    tried = {kind.split()[0] for kind in KINDS} | {"scheduled_event"}
    tried |= {f"{what}_interaction" for what in ("autocomplete", "command", "component", "modal") if what in tried}

    assert builders <= tried


def test_hikari_reads_every_part_of_a_guild(payloads: testing.Payloads, bot: hikari.GatewayBot) -> None:
    members = [payloads.member(), payloads.member()]
    guild = payloads.guild(id="123", members=members)
    guild["voice_states"] = [payloads.voice_state(user_id=members[1]["user"]["id"])]
    guild["threads"] = [payloads.thread(joined=True)]
    guild["presences"] = [payloads.presence(user_id=members[0]["user"]["id"])]

    assert _guild_parts(bot, guild) == 123
    assert guild["roles"][0]["id"] == guild["id"]
    assert guild["owner_id"] == members[0]["user"]["id"]
    assert guild["soundboard_sounds"] == []


def test_an_unknown_channel_type_is_refused_by_hikari_only(payloads: testing.Payloads, bot: hikari.GatewayBot) -> None:
    channel = payloads.channel(type=99)

    with pytest.raises(hikari.UnrecognisedEntityError):
        bot.entity_factory.deserialize_channel(channel, guild_id=GUILD_ID)


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        ("user", 120, 350),
        ("member", 350, 700),
        ("role", 200, 400),
        ("channel", 250, 600),
        ("thread", 400, 800),
        ("emoji", 250, 500),
        ("presence", 100, 500),
        ("message", 600, 1500),
        ("invite", 300, 700),
    ],
)
def test_payloads_are_as_large_as_real_ones(kind: str, low: int, high: int, payloads: testing.Payloads) -> None:
    extras = {"message": {"guild_id": "123"}, "invite": {"inviter": payloads.user()}}.get(kind, {})
    sizes = [len(orjson.dumps(getattr(payloads, kind)(**extras))) for _ in range(50)]

    assert low <= sum(sizes) / len(sizes) <= high


@hypothesis.given(seed=strategies.integers(0, 2**32))
@hypothesis.settings(max_examples=25, deadline=None)
def test_the_same_seed_builds_the_same(seed: int) -> None:
    one, other = testing.Payloads(seed, now=NOW), testing.Payloads(seed, now=NOW)

    assert one.guild() == other.guild()
    assert one.rich_message(guild_id="1") == other.rich_message(guild_id="1")


def test_ids_are_unique_plausible_and_current_ones_increase(payloads: testing.Payloads) -> None:
    old = [payloads.snowflake(within_days=100) for _ in range(5_000)]
    new = [int(payloads.snowflake()) for _ in range(5_000)]
    now = datetime.datetime.now(datetime.UTC)

    assert len({*map(int, old), *new}) == 10_000
    assert new == sorted(new)
    created = [hikari.Snowflake(id_).created_at for id_ in old]
    assert now - datetime.timedelta(days=101) < min(created) < max(created) < now + datetime.timedelta(minutes=1)


def test_overrides_win(payloads: testing.Payloads) -> None:
    user = payloads.user(username="ann", extra=[1])
    member = payloads.member(user=user, nick="Ann", guild_id="3")

    assert user["username"] == "ann"
    assert user["extra"] == [1]
    assert (member["user"], member["nick"], member["guild_id"]) == (user, "Ann", "3")


def test_importing_does_not_import_pytest() -> None:
    code = "import sys, sake.testing; sys.exit('pytest' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_the_face_is_sorted_and_names_itself() -> None:
    assert testing.__all__ == sorted(testing.__all__)
    assert {getattr(testing, name).__module__ for name in testing.__all__} == {"sake.testing"}


# The world


def _world(seed: int = 0, **options: typing.Any) -> testing.World:
    return testing.World(**{"seed": seed, "guilds": 4, "members": 160, "now": NOW, **options})


@hypothesis.given(guilds=strategies.integers(1, 12), extra=strategies.integers(0, 300))
@hypothesis.settings(max_examples=20, deadline=None)
def test_members_are_spread_and_counted(guilds: int, extra: int) -> None:
    world = testing.World(guilds=guilds, members=2 * guilds + extra)
    sizes = [len(guild.members) for guild in world.guilds.values()]

    assert sum(sizes) == 2 * guilds + extra
    assert sizes == sorted(sizes, reverse=True)
    assert all(world.me["id"] in guild.members for guild in world.guilds.values())


@pytest.mark.parametrize(
    "options",
    [
        {"guilds": 0},
        {"members": 7},
        {"shard_count": 0},
        {"weights": {"PRESENCE_UPDATE": -1}},
        {"weights": {"NO_SUCH_EVENT": 1}},
        {"weights": dict.fromkeys(testing.World.default_weights(), 0)},
    ],
)
def test_a_world_that_cannot_be_is_refused(options: dict[str, typing.Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        _world(**options)


@pytest.mark.parametrize("shards", [1, 2, 3, 4, 8])
def test_guilds_are_spread_evenly_over_shards(shards: int) -> None:
    world = testing.World(guilds=16, members=64, shard_count=shards)
    listed = [[stub["id"] for stub in world.ready(shard_id)["guilds"]] for shard_id in range(shards)]

    assert sorted(id_ for ids in listed for id_ in ids) == sorted(world.guilds)
    assert max(map(len, listed)) - min(map(len, listed)) <= 1
    assert all(int(id_) >> 22 < 2**41 for id_ in world.guilds)


def test_hikari_reads_every_part_of_every_guild_of_a_world(bot: hikari.GatewayBot) -> None:
    world = _world()

    assert [_guild_parts(bot, world.guild_create(id_)) for id_ in world.guilds] == [int(id_) for id_ in world.guilds]


def test_the_same_seed_has_the_same_history() -> None:
    one, other = _world(9), _world(9)

    assert list(one.steps(500)) == list(other.steps(500))


def test_payloads_that_were_handed_out_never_change() -> None:
    world = _world(2, weights={"GUILD_DELETE": 1})
    handed_out = [world.guild_create(id_) for id_ in world.guilds]
    handed_out += [payload for _, payload in world.steps(1_500)]
    before = orjson.dumps(handed_out)
    collections.deque(world.steps(1_500), maxlen=0)

    assert orjson.dumps(handed_out) == before


def test_the_default_mix_is_the_steady_mix() -> None:
    weights = testing.World.default_weights()
    counts = collections.Counter(name for name, _ in _world().steps(20_000))
    share = {name: 100 * count / 20_000 for name, count in counts.items()}

    assert sum(weights.values()) == pytest.approx(100, abs=1)
    assert share["PRESENCE_UPDATE"] == pytest.approx(45, abs=2)
    assert share["MESSAGE_CREATE"] == pytest.approx(25, abs=2)
    edits = ("MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_DELETE_BULK")
    assert sum(share[name] for name in edits) == pytest.approx(10, abs=1.5)
    changes = ("GUILD_MEMBER_UPDATE", "GUILD_MEMBER_ADD", "GUILD_MEMBER_REMOVE")
    assert sum(share[name] for name in changes) == pytest.approx(11, abs=1.5)


def test_every_event_of_the_mix_happens() -> None:
    weights = {**dict.fromkeys(testing.World.default_weights(), 1.0), "GUILD_DELETE": 0.1}
    counts = collections.Counter(name for name, _ in _world(weights=weights).steps(8_000))

    assert set(counts) == {*weights, "GUILD_CREATE"}


def test_a_weight_of_zero_means_never() -> None:
    quiet = {name: 0.0 for name in testing.World.default_weights() if name != "PRESENCE_UPDATE"}

    assert {name for name, _ in _world(weights=quiet).steps(300)} == {"PRESENCE_UPDATE"}


class Follower:
    """Follows events without knowing the world: what is left in its tables must be what the world calls true."""

    def __init__(self, world: testing.World) -> None:
        self.guilds: dict[str, Payload] = {}
        self.users: dict[str, Payload] = {}
        for guild_id in world.guilds:
            self.take("GUILD_CREATE", world.guild_create(guild_id))

    def take(self, name: str, payload: Payload) -> None:
        guild = self.guilds.get(payload.get("guild_id", ""))
        self._take_users(payload)
        if name == "GUILD_CREATE":
            self._take_guild(payload)
        elif name == "GUILD_DELETE":
            if payload.get("unavailable"):
                self.guilds[payload["id"]]["available"] = False
            else:
                del self.guilds[payload["id"]]
        elif name == "GUILD_UPDATE":
            self.guilds[payload["id"]]["record"].update(_fields(payload))
        elif guild is not None:
            getattr(self, f"_{name.lower()}")(guild, payload)
        else:
            assert name == "MESSAGE_CREATE"

    def _take_users(self, value: typing.Any) -> None:
        if isinstance(value, list):
            for item in value:
                self._take_users(item)
        elif isinstance(value, dict):
            if "username" in value:
                self.users[value["id"]] = value

            for item in value.values():
                self._take_users(item)

    def _take_guild(self, payload: Payload) -> None:
        old = self.guilds.get(payload["id"], {"messages": {}, "invites": {}})
        self.guilds[payload["id"]] = {
            "available": True,
            "record": _fields(payload),
            "messages": old["messages"],
            "invites": old["invites"],
            **{kind: {_key(kind, p): p for p in payload[kind]} for kind in _names.LISTS},
        }

    def _presence_update(self, guild: Payload, payload: Payload) -> None:
        presence = _bare(payload)
        if presence["status"] == "offline":
            guild["presences"].pop(presence["user"]["id"], None)
        else:
            guild["presences"][presence["user"]["id"]] = presence

    def _guild_member_add(self, guild: Payload, payload: Payload) -> None:
        guild["members"][payload["user"]["id"]] = _bare(payload)

    _guild_member_update = _guild_member_add

    def _guild_member_remove(self, guild: Payload, payload: Payload) -> None:
        for kind in ("members", "presences", "voice_states"):
            guild[kind].pop(payload["user"]["id"], None)

    def _voice_state_update(self, guild: Payload, payload: Payload) -> None:
        assert _bare(payload)["member"] == guild["members"][payload["user_id"]]
        guild["voice_states"].pop(payload["user_id"], None)
        if payload["channel_id"] is not None:
            state = {key: value for key, value in _bare(payload).items() if key != "member"}
            guild["voice_states"][payload["user_id"]] = state

    def _guild_role_create(self, guild: Payload, payload: Payload) -> None:
        guild["roles"][payload["role"]["id"]] = payload["role"]

    _guild_role_update = _guild_role_create

    def _guild_role_delete(self, guild: Payload, payload: Payload) -> None:
        del guild["roles"][payload["role_id"]]

    def _channel_create(self, guild: Payload, payload: Payload) -> None:
        guild["channels"][payload["id"]] = _bare(payload)

    _channel_update = _channel_create

    def _channel_delete(self, guild: Payload, payload: Payload) -> None:
        del guild["channels"][payload["id"]]
        gone = {payload["id"]} | {id_ for id_, t in guild["threads"].items() if t["parent_id"] == payload["id"]}
        guild["threads"] = {id_: thread for id_, thread in guild["threads"].items() if id_ not in gone}
        for kind in ("messages", "invites", "voice_states"):
            guild[kind] = {key: p for key, p in guild[kind].items() if p["channel_id"] not in gone}

    def _channel_pins_update(self, guild: Payload, payload: Payload) -> None:
        kind = "threads" if payload["channel_id"] in guild["threads"] else "channels"
        pinned = {"last_pin_timestamp": payload["last_pin_timestamp"]}
        guild[kind][payload["channel_id"]] = {**guild[kind][payload["channel_id"]], **pinned}

    def _thread_create(self, guild: Payload, payload: Payload) -> None:
        thread = {key: value for key, value in _bare(payload).items() if key != "newly_created"}
        if "member" in thread:
            assert thread["member"]["id"] == thread["id"]
            thread["member"] = {k: v for k, v in thread["member"].items() if k not in {"id", "user_id"}}

        guild["threads"][thread["id"]] = thread

    def _thread_update(self, guild: Payload, payload: Payload) -> None:
        assert "member" not in payload
        old = guild["threads"][payload["id"]]
        own = {"member": old["member"]} if "member" in old else {}
        guild["threads"][payload["id"]] = {**_bare(payload), **own}

    def _thread_delete(self, guild: Payload, payload: Payload) -> None:
        assert set(payload) == {"id", "guild_id", "parent_id", "type"}
        del guild["threads"][payload["id"]]
        guild["messages"] = {id_: m for id_, m in guild["messages"].items() if m["channel_id"] != payload["id"]}

    def _guild_emojis_update(self, guild: Payload, payload: Payload) -> None:
        guild["emojis"] = {emoji["id"]: emoji for emoji in payload["emojis"]}

    def _guild_stickers_update(self, guild: Payload, payload: Payload) -> None:
        guild["stickers"] = {sticker["id"]: sticker for sticker in payload["stickers"]}

    def _invite_create(self, guild: Payload, payload: Payload) -> None:
        guild["invites"][payload["code"]] = payload

    def _invite_delete(self, guild: Payload, payload: Payload) -> None:
        del guild["invites"][payload["code"]]

    def _message_create(self, guild: Payload, payload: Payload) -> None:
        assert "user" not in payload["member"]
        guild["messages"][payload["id"]] = payload

    def _message_update(self, guild: Payload, payload: Payload) -> None:
        guild["messages"][payload["id"]] = {**guild["messages"][payload["id"]], **payload}

    def _message_delete(self, guild: Payload, payload: Payload) -> None:
        del guild["messages"][payload["id"]]

    def _message_delete_bulk(self, guild: Payload, payload: Payload) -> None:
        for message_id in payload["ids"]:
            del guild["messages"][message_id]


NOT_FIELDS = {*_names.LISTS, "unavailable", "stage_instances", "guild_scheduled_events", "soundboard_sounds"}


def _fields(payload: Payload) -> Payload:
    return {key: value for key, value in payload.items() if key not in NOT_FIELDS}


def _bare(payload: Payload) -> Payload:
    return {key: value for key, value in payload.items() if key != "guild_id"}


def _key(kind: str, payload: Payload) -> str:
    if kind in {"members", "presences"}:
        return payload["user"]["id"]

    return payload["user_id"] if kind == "voice_states" else payload["id"]


@hypothesis.given(
    seed=strategies.integers(0, 2**32),
    weights=strategies.dictionaries(
        strategies.sampled_from(sorted(testing.World.default_weights())), strategies.floats(0, 50), max_size=8
    ),
    count=strategies.integers(0, 600),
)
@hypothesis.settings(max_examples=60, deadline=None)
def test_who_follows_all_events_knows_what_is_true(seed: int, weights: dict[str, float], count: int) -> None:
    weights = {"PRESENCE_UPDATE": 5.0, "MESSAGE_CREATE": 25.0, "GUILD_DELETE": 0.5, **weights}
    weights |= {"PRESENCE_UPDATE": max(weights["PRESENCE_UPDATE"], 1.0)}
    world = _world(seed, weights=weights)
    follower = Follower(world)
    for name, payload in world.steps(count):
        follower.take(name, orjson.loads(orjson.dumps(payload)))

    assert set(follower.guilds) == set(world.guilds)
    for guild_id, guild in world.guilds.items():
        known = follower.guilds[guild_id]
        assert known["available"] == guild.available
        for kind in ("record", "messages", "invites", *_names.LISTS):
            assert known[kind] == getattr(guild, kind), kind

    assert {id_: user for id_, user in world.users.items() if id_ in follower.users} == {
        id_: {key: user[key] for key in world.users[id_]} for id_, user in follower.users.items()
    }


def test_an_event_costs_little() -> None:
    world = testing.World(guilds=10, members=5_000)
    collections.deque(world.steps(2_000), maxlen=0)
    took = min(_seconds_for(world, 5_000) for _ in range(3))

    # The budget is 30 µs; a shared machine gets some room.
    assert took / 5_000 < 90e-6


def _seconds_for(world: testing.World, count: int) -> float:
    import time

    began = time.process_time()
    collections.deque(world.steps(count), maxlen=0)
    return time.process_time() - began
