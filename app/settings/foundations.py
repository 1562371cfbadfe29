"""The settings that all else stands on: address, database, queue, keys."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.settings.kinds import (
    BaseUrl,
    DatabaseUrl,
    EncryptionKey,
    Listed,
    QueueUrl,
    Some,
)


class Foundations(BaseModel):
    """What a process needs before it can do anything, and how long it waits for it."""

    # `hide_input_in_errors`: a malformed key must not be printed at start-up.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    mode: Literal["production", "development"] = Field(
        "production",
        description="`development` relaxes what docs/operate.md lists",
        examples=["production"],
    )
    base_url: BaseUrl = Field(
        description="Where Jira reaches this app, with its path prefix if it has one",
        examples=["https://countersign.example.com"],
    )
    accepted_base_urls: Annotated[tuple[BaseUrl, ...], Listed] = Field(
        (),
        description="Further base URLs that install tokens may name while you move",
        examples=["https://old.example.com"],
    )
    database_url: DatabaseUrl = Field(
        description="SQLite or PostgreSQL; everything that must not be lost is there",
        examples=["postgresql+psycopg://countersign@db/countersign"],
        repr=False,
    )
    connect_seconds: int = Field(
        5,
        ge=2,
        le=60,
        description="How long PostgreSQL may take to let us in",
        examples=["5"],
    )
    web_statement_seconds: int = Field(
        10,
        ge=1,
        le=600,
        description="How long one statement of a request may take in PostgreSQL; then"
        " the answer is 503",
        examples=["10"],
    )
    web_lock_seconds: int = Field(
        5,
        ge=1,
        le=600,
        description="How long a request waits for another transaction; then the answer"
        " is 503",
        examples=["5"],
    )
    work_statement_seconds: int = Field(
        60,
        ge=1,
        le=3600,
        description="How long one statement of a worker or a command may take in"
        " PostgreSQL",
        examples=["60"],
    )
    work_lock_seconds: int = Field(
        10,
        ge=1,
        le=600,
        description="How long a worker or a command waits for another transaction",
        examples=["10"],
    )
    idle_transaction_seconds: int = Field(
        60,
        ge=10,
        le=3600,
        description="After how long PostgreSQL ends a transaction of ours that says"
        " nothing",
        examples=["60"],
    )
    migration_lock_seconds: int = Field(
        2,
        ge=1,
        le=60,
        description="How long `db upgrade` waits for a table before it lets others go"
        " first and tries again",
        examples=["2"],
    )
    queue_url: QueueUrl = Field(
        description="Wake-ups for workers: a SQLite file of its own, or Redis",
        examples=["redis://redis:6379/0"],
        repr=False,
    )
    encryption_keys: Some[EncryptionKey] = Field(
        description="Base64 of 32 random bytes each; the first seals, all of them open."
        " Or they come by one of the two that follow",
        examples=["$(head -c 32 /dev/urandom | base64)"],
        repr=False,
    )
    encryption_keys_file: str = Field(
        "",
        description="A file that has the encryption keys, which others may not write",
        examples=["/run/secrets/countersign-keys"],
    )
    encryption_keys_command: str = Field(
        "",
        description="A command, run without a shell, that prints the encryption keys",
        examples=["vault kv get -field=keys secret/countersign"],
        repr=False,
    )
