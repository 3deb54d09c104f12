"""How the settings are read from the environment and from `.env`, where pydantic's way is not ours."""

from typing import Any

from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
)


class _SymbolsOfEnvironment(EnvSettingsSource):
    def __call__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__call__().items() if name == "symbols"}


class _SymbolsOfFile(DotEnvSettingsSource):
    def __call__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__call__().items() if name == "symbols"}


class EnvironmentRead(BaseSettings):
    """An empty variable is one that is not set; but `FIREHOSE_SYMBOLS=` is no symbol at all, and no default."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """pydantic's own, each followed by one that has the symbols though they are empty."""
        env_file = dotenv_settings.env_file if isinstance(dotenv_settings, DotEnvSettingsSource) else None
        return (
            init_settings,
            env_settings,
            _SymbolsOfEnvironment(settings_cls, env_ignore_empty=False),
            dotenv_settings,
            _SymbolsOfFile(settings_cls, env_file=env_file, env_ignore_empty=False),
            file_secret_settings,
        )
