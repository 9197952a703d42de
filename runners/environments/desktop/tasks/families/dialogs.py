"""Dialogs that are filled in and answered."""

from __future__ import annotations

from ....shell.draw import Draw
from ..family import Group
from ..instance import Made, Program, Step, printed
from ..steps import click, fill, key, select

GROUP = Group()

ANSWER = "answer"

CITIES = ("Oslo", "Bern", "Rome", "Lima", "Cairo", "Delhi", "Tokyo", "Quito")


def dialog(*arguments: str, name: str = ANSWER) -> Program:
    """A dialog whose answer is kept."""
    return Program(("zenity", *arguments), name)


@GROUP.family(
    "Fill in the form: name {name}, mail {mail}. Press OK.",
    "Enter {name} and the mail address {mail} into the form and confirm it.",
    "The contact is called {name} and has the address {mail}; fill the form in and press OK.",
    "Put {name} under Name and {mail} under Mail, then OK.",
)
def fill_form(draw: Draw) -> Made:
    """Fill two fields of a form."""
    name, mail = draw.person(), f"{draw.word()}@example.org"
    program = dialog(
        *("--forms", "--title=Contact", "--text=New contact", "--add-entry=Name", "--add-entry=Mail", "--separator=|")
    )
    solution = [fill(name, "entry", "Name"), fill(mail, "entry", "Mail"), click("button", "OK")]
    return Made({"name": name, "mail": mail}, [program], printed(ANSWER, f"{name}|{mail}"), solution)


@GROUP.family(
    "Order a ticket for {name} to {city}: fill in the form and press OK.",
    "{name} wants to go to {city}. Fill the form in and confirm.",
    "Enter the name {name}, choose {city}, then press OK.",
    "The traveller is {name} and the city is {city}; put that into the form, then OK.",
)
def choose_city(draw: Draw) -> Made:
    """Fill a field and choose from a list that opens."""
    name, cities = draw.person(), draw.shuffled(CITIES)[:4]
    city = draw.one_of(cities[1:])
    program = dialog(
        *("--forms", "--title=Ticket", "--text=Ticket", "--add-entry=Name", "--add-combo=City"),
        *(f"--combo-values={'|'.join(cities)}", "--separator=|"),
    )
    solution = [fill(name, "entry", "Name"), select(city), click("button", "OK")]
    return Made({"name": name, "city": city}, [program], printed(ANSWER, f"{name}|{city}"), solution)


@GROUP.family(
    "Tick {first} and {second} and press OK.",
    "In the list, tick {first} as well as {second}; then OK.",
    "Choose exactly {first} and {second}, and confirm.",
    "{first} and {second} should be ticked, nothing else. Press OK.",
)
def tick_words(draw: Draw) -> Made:
    """Tick two lines of a list."""
    words = draw.words(5)
    chosen = [word for word in words if word in draw.shuffled(words)[:2]]
    if len(chosen) != 2:
        chosen = words[1:3]
    rows = [part for word in words for part in ("FALSE", word)]
    program = dialog(
        *("--list", "--checklist", "--title=Words", "--text=Words", "--height=400", "--column=On", "--column=Word"),
        *("--separator=|", *rows),
    )
    solution: list[Step] = [*(click("checkbox", word) for word in chosen), click("button", "OK")]
    values = {"first": chosen[0], "second": chosen[1]}
    return Made(values, [program], printed(ANSWER, "|".join(chosen)), solution)


@GROUP.family(
    "Choose {word} and press OK.",
    "Pick {word} from the list and confirm.",
    "Select the row {word}, then OK.",
    "Of the words in the list, take {word}. Press OK.",
)
def choose_row(draw: Draw) -> Made:
    """Choose one row of a list."""
    words = draw.words(5)
    word = draw.one_of(words)
    program = dialog("--list", "--title=Words", "--text=Words", "--height=400", "--column=Word", *words)
    solution = [click("cell", word), click("button", "OK")]
    return Made({"word": word}, [program], printed(ANSWER, word), solution)


@GROUP.family(
    "Set the volume to {number} and press OK.",
    "The volume should be {number}. Set it and confirm.",
    "Move the slider to {number}, then OK.",
    "Change the value to {number} and press OK.",
)
def set_volume(draw: Draw) -> Made:
    """Move a slider by keys."""
    start, number = draw.numbers(2, 40, 46)
    program = dialog("--scale", "--title=Volume", "--text=Volume", f"--value={start}")
    steps = [key("right" if number > start else "left")] * abs(number - start)
    return Made({"number": number}, [program], printed(ANSWER, str(number)), [*steps, click("button", "OK")])


@GROUP.family(
    "Enter the code {code} and press OK.",
    "The code is {code}; type it in and confirm.",
    "Type {code} into the dialog, then OK.",
    "When asked, give the code {code}.",
)
def enter_code(draw: Draw) -> Made:
    """Answer a dialog by a text."""
    code = f"{draw.word()}-{draw.number(100, 999)}"
    program = dialog("--entry", "--title=Code", "--text=Code")
    return Made({"code": code}, [program], printed(ANSWER, code), [fill(code), click("button", "OK")])


@GROUP.family(
    "Log in with the password {password}.",
    "The password is {password}; enter it and press OK.",
    "Type the password {password} and confirm.",
    "You are asked for a password. It is {password}.",
)
def enter_password(draw: Draw) -> Made:
    """Enter a password, which is not shown."""
    password = f"{draw.word()}{draw.number(10, 99)}"
    program = dialog("--password", "--title=Login")
    return Made(
        {"password": password},
        [program],
        printed(ANSWER, password),
        [fill(password, "password"), click("button", "OK")],
    )


@GROUP.family(
    "Choose the file {file} in the dialog.",
    "Open {file} by the dialog.",
    "In the dialog, select {file} and press OK.",
    "The file that is wanted is {file}. Choose it.",
)
def choose_file(draw: Draw) -> Made:
    """Choose one of several files in a dialog."""
    names = draw.files(4)
    file = draw.one_of(names)
    program = dialog("--file-selection", "--title=File")
    solution = [click("cell", file), click("button", "OK")]
    return Made(
        {"file": file},
        [program],
        lambda moment: moment.printed.get(ANSWER, "").strip().endswith(f"/{file}"),
        solution,
        {name: draw.text(1) for name in names},
    )
