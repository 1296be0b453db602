"""Delimiters, heads and what columns become."""

import pytest

from apps.contacts.csv import columns


@pytest.mark.parametrize(
    ("lines", "delimiter"),
    [
        (["email;name", "a@x.example;Ann, B."], ";"),
        (["email,name", "a@x.example,Ann"], ","),
        (["email\tname", "a@x.example\tAnn"], "\t"),
        (["a@x.example|Ann;x", "b@x.example|Bob;y"], "|"),
        (["email", "a@x.example"], ","),
        (["sep=;", "email;name", "a@x.example;Ann"], ";"),
        (["E-mail;Note", 'a@x.example;"one,\r\ntwo, three,"', "b@x.example;four"], ";"),
        (['"Имя";"E-mail"', '"Орлова; Надежда";"n@x.example"'], ";"),
    ],
)
def test_finds_the_delimiter(lines: list[str], delimiter: str) -> None:
    assert columns.sniff_delimiter("\n".join(lines).encode(), encoding="utf-8") == delimiter


def test_a_first_row_with_an_address_is_no_head() -> None:
    assert columns.has_header(["E-mail", "Name"])
    assert not columns.has_header(["Ann", "ann@x.example"])


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (["E-mail", "First name", "Last name"], ["email", "first_name", "last_name"]),
        (["Адрес электронной почты", "Имя", "Фамилия"], ["email", "first_name", "last_name"]),
        (["Електронна пошта", "Ім'я", "Прізвище"], ["email", "first_name", "last_name"]),
        (["ФИО", "e_mail", "Город"], ["name", "email", "attr:город"]),
        (["Name", "First Name", "Email"], ["attr:name_2", "first_name", "email"]),
        (["email", "Email", "2nd"], ["email", "attr:email_2", "attr:f_2nd"]),
        (["Contact point", "class", "**"], ["email", "attr:class_2", ""]),
    ],
)
def test_suggests_what_columns_become(head: list[str], expected: list[str]) -> None:
    address_at = expected.index("email")
    row = ["x" if number != address_at else "n@x.example" for number in range(len(head))]

    found = columns.describe([head, row], header=True)

    assert [column.suggested for column in found] == expected


def test_a_file_without_head_needs_only_its_addresses_found() -> None:
    found = columns.describe([["1", "a@x.example"], ["2", "b@x.example"]], header=False)

    assert [(column.name, column.sample, column.suggested) for column in found] == [
        ("1", "1", ""),
        ("2", "a@x.example", "email"),
    ]


@pytest.mark.parametrize(
    ("mapping", "code"),
    [
        ({0: "email", 1: "attr:city"}, ""),
        ({1: "first_name"}, "no_email_column"),
        ({0: "email", 1: "email"}, "target_twice"),
        ({0: "email", 1: "name", 2: "last_name"}, "target_twice"),
        ({0: "email", 1: "attr:__x y"}, "unknown_target"),
        ({0: "email", 9: "name"}, "unknown_column"),
    ],
)
def test_names_what_is_wrong_with_a_mapping(mapping: dict[int, str], code: str) -> None:
    assert columns.problem_with(mapping, 3) == code
