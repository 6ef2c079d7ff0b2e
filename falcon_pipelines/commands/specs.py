"""`falcon spec` and `falcon lookahead`: what a strategy spec means, whether it is valid, whether it looks ahead."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from falcon_pipelines.commands.console import Json, out, print_json, status
from falcon_pipelines.errors import FalconError, InputError

if TYPE_CHECKING:
    from falcon_pipelines.strategies.describe import Meaning
    from falcon_pipelines.strategies.indicators import Indicator
    from falcon_pipelines.strategies.lookahead import LookaheadReport
    from falcon_pipelines.strategies.spec import Spec

spec_app = typer.Typer(help="Check and explain strategy specs.", no_args_is_help=True)
SpecFile = Annotated[
    Path, typer.Argument(help="A spec file (.yaml, .json), or the name of a built-in strategy.")
]


class UnknownTickers(InputError):
    """The file of bars lacks a ticker that was asked for."""


class LooksAhead(FalconError):
    """A strategy's signals depend on bars that come later, or come before its warm-up is over."""


@spec_app.command("check")
def check(file: SpecFile, json: Json = False) -> None:
    """Validate a strategy spec and say in plain English what it means and assumes."""
    from falcon_pipelines.strategies.describe import describe
    from falcon_pipelines.strategies.library import find_spec
    from falcon_pipelines.strategies.spec import spec_hash

    spec = find_spec(file)
    meaning = describe(spec)
    if json:
        print_json(
            {
                "name": spec.name,
                "valid": True,
                "hash": spec_hash(spec),
                "meaning": meaning.rules,
                "warm_up": meaning.warm_up,
                "combinations": meaning.combinations,
                "conventions": meaning.conventions,
                "fields": [vars(field) for field in meaning.fields],
                "assumptions": [vars(field) for field in meaning.assumptions],
                "warnings": meaning.warnings,
                "unsupported": [each.model_dump() for each in spec.unsupported],
            }
        )
        return
    _print_meaning(spec, meaning)


@spec_app.command("schema")
def schema() -> None:
    """Print the JSON Schema of strategy specs."""
    from falcon_pipelines.strategies.spec import json_schema

    print_json(json_schema())


@spec_app.command("list")
def list_specs(json: Json = False) -> None:
    """List the built-in strategies."""
    from falcon_pipelines.strategies.library import library_names, library_spec
    from falcon_pipelines.strategies.warm_up import entry_warm_up

    specs = [library_spec(name) for name in library_names()]
    if json:
        print_json(
            {
                "specs": [
                    {
                        "name": spec.name,
                        "timeframe": spec.timeframe,
                        "warm_up": entry_warm_up(spec),
                        "description": spec.description,
                    }
                    for spec in specs
                ]
            }
        )
        return
    table = Table()
    for heading in ("Name", "Bars", "Description"):
        table.add_column(heading, no_wrap=heading != "Description")
    for spec in specs:
        table.add_row(spec.name, spec.timeframe, spec.description or "—")
    out.print(table)


@spec_app.command("indicators")
def list_indicators(json: Json = False) -> None:
    """List the indicators that a spec may use, with their parameters, outputs and conventions."""
    from falcon_pipelines.strategies.indicators import INDICATORS

    if json:
        print_json(
            {
                "indicators": [
                    {
                        "name": each.name,
                        "title": each.title,
                        "parameters": [
                            {"name": p.name, "allowed": str(p.bounds), "default": p.default}
                            for p in each.parameters
                        ],
                        "outputs": each.outputs,
                        "inputs": each.inputs,
                        "coarsest_timeframe": each.coarsest,
                        "convention": each.convention,
                    }
                    for each in INDICATORS.values()
                ]
            }
        )
        return
    table = Table()
    table.add_column("Indicator")
    table.add_column("Convention")
    for each in INDICATORS.values():
        table.add_row(_signature(each), f"{each.title}: {each.convention}")
    out.print(table)


def lookahead(
    file: SpecFile,
    bars: Annotated[Path, typer.Option("--bars", help="Bars to try it on (.csv, .parquet).")],
    tickers: Annotated[str, typer.Option(help="Tickers of the file to use, by comma; default: all.")] = "",
    json: Json = False,
) -> None:
    """Prove on bars that a strategy does not use the future, and how much history it needs."""
    from falcon_pipelines.bars.bar_files import read_bar_file
    from falcon_pipelines.strategies.library import find_spec
    from falcon_pipelines.strategies.lookahead import check_lookahead
    from falcon_pipelines.strategies.timeframes import at_timeframe

    spec = find_spec(file)
    panel = read_bar_file(bars)
    if tickers:
        wanted = [ticker.strip() for ticker in tickers.split(",") if ticker.strip()]
        absent = [ticker for ticker in wanted if ticker not in panel.tickers]
        if absent:
            raise UnknownTickers(
                f"{bars}: has no bars of {', '.join(absent)}; it has {', '.join(panel.tickers[:20])}"
            )
        places = [panel.tickers.index(ticker) for ticker in wanted]
        fields = {name: values[:, places] for name, values in panel.fields.items()}
        panel = replace(panel, tickers=tuple(wanted), fields=fields)
    with status("Cutting the history...", quiet=json):
        report = check_lookahead(spec, at_timeframe(panel, spec.timeframe))
    if json:
        print_json(_lookahead_document(spec, panel.tickers, report))
    else:
        _print_lookahead(spec, report)
    if not report.passed:
        raise LooksAhead(
            f"{spec.name}: signals change when later bars arrive, or come before the warm-up is over"
        )


def _signature(indicator: "Indicator") -> str:
    """`macd(fast=12, slow=26, signal=9) → line, signal, histogram`."""
    parameters = [
        f"{each.name}={each.default:g}" if each.default is not None else each.name
        for each in indicator.parameters
    ]
    outputs = f" → {', '.join(indicator.outputs)}" if len(indicator.outputs) > 1 else ""
    return f"{indicator.name}({', '.join(parameters)}){outputs}"


def _print_meaning(spec: "Spec", meaning: "Meaning") -> None:
    out.print(f"{spec.name} is a valid spec.", style="bold", markup=False)
    for rule in meaning.rules:
        out.print(f"  • {rule}", markup=False, highlight=False)
    if meaning.combinations > 1:
        out.print(
            f"  • A sweep tries {meaning.combinations} combinations of {', '.join(spec.params)}.",
            markup=False,
        )
    stated = [field for field in meaning.fields if field.quote is not None and field.state == "stated"]
    if stated:
        table = Table(title="Stated by the source", title_justify="left")
        for heading in ("Field", "Value", "At", "Quote"):
            table.add_column(heading, justify="right" if heading == "At" else "left")
        for field in stated:
            table.add_row(field.field, field.value or "—", _at(field.start_seconds), field.quote or "—")
        out.print(table)
    table = Table(title="Assumed: not stated by the source", title_justify="left")
    for heading in ("Field", "Value", "Why"):
        table.add_column(heading)
    for field in meaning.assumptions:
        table.add_row(field.field, field.value or "—", field.state)
    out.print(table)
    if meaning.conventions:
        out.print("Conventions")
        for name, convention in meaning.conventions.items():
            out.print(f"  • {name}: {convention}", markup=False, highlight=False)
    for warning in meaning.warnings:
        out.print(f"  ! {warning}", markup=False, highlight=False)


def _at(seconds: float | None) -> str:
    return "—" if seconds is None else f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _lookahead_document(spec: "Spec", tickers: tuple[str, ...], report: "LookaheadReport") -> dict[str, Any]:
    return {
        "spec": spec.name,
        "tickers": tickers,
        "bars": report.bars,
        "cuts": report.cuts,
        "signals": report.signals,
        "passed": report.passed,
        "differences": [
            vars(each) | {"timestamp": f"{each.timestamp.astype('datetime64[s]')}+00:00"}
            for each in report.differences
        ],
        "warm_up": report.warm_up,
        "first_entry": report.first_entry,
        "settles_after": report.settles_after,
    }


def _print_lookahead(spec: "Spec", report: "LookaheadReport") -> None:
    verdict = "does not look ahead" if not report.differences else "LOOKS AHEAD"
    out.print(
        f"{spec.name} {verdict}: {report.signals} bars with signals among {report.bars}, cut at {report.cuts} places.",
        markup=False,
    )
    for each in report.differences:
        moment = each.timestamp.astype("datetime64[s]")
        out.print(
            f"  {each.part} of {each.ticker} at {moment}+00:00 was {each.before:g} with {each.cut} bars known, "
            f"then {each.after:g}",
            markup=False,
        )
    first = (
        "no entry at all" if report.first_entry is None else f"first entry on bar {report.first_entry + 1}"
    )
    out.print(f"Warm-up: {report.warm_up} bars without entries; {first}.")
    if report.settles_after is None:
        out.print(
            "Signals still depend on where the history starts; load more bars before the first one that counts."
        )
    else:
        out.print(
            f"Signals do not depend on what came more than {report.settles_after} bars before the first one."
        )
