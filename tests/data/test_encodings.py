"""A file that is no UTF-8 is told with the command that makes it so, and that command gives back the very texts."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from workbench.core.errors import DataError
from workbench.data.formats import by_name

TEXTS = {
    "CP1252": ("cp1252", ["Café – naïve “quotes” €.", "the crème brûlée was fine", "it’s “so” good"]),
    "CP1252 German": ("latin1", ["Die Tür war schön, aber größer", "Überraschung für alle Gäste"]),
    "CP1252 French": ("latin1", ["Le café était très agréable", "où est la forêt, à côté"]),
    "CP1252 Spanish": ("cp1252", ["El niño comió una manzana, ¿verdad?", "mañana será otro día"]),
    "GB18030": ("gbk", ["这家酒店的服务非常好", "质量很差，我不喜欢", "房间干净"]),
    "BIG5": ("big5", ["這家酒店的服務非常好", "質量很差，我不喜歡", "房間乾淨"]),
    "CP932": ("shift_jis", ["この映画はとても面白かったです", "サービスがひどい。もう行きません"]),
    "EUC-JP": ("euc_jp", ["この映画はとても面白かったです", "サービスがひどい。もう行きません"]),
    "CP949": ("euc_kr", ["이 영화는 정말 재미있었다", "서비스가 별로 좋지 않았어요"]),
    "CP1251": ("cp1251", ["Отличный отель, всё понравилось", "Очень плохое обслуживание"]),
    "KOI8-R": ("koi8_r", ["Отличный отель, всё понравилось", "Очень плохое обслуживание"]),
    "CP1253": ("cp1253", ["Το ξενοδοχείο ήταν πολύ καλό", "Η εξυπηρέτηση ήταν κακή"]),
    "CP1250": ("cp1250", ["Bardzo dobra książka, polecam wszystkim", "źle się czułem, łóżko było małe"]),
    "CP1254": ("cp1254", ["Çok güzel bir oteldi, ışıklar açıktı", "kötü hizmet, yağış ve şişe"]),
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.skipif(shutil.which("iconv") is None, reason="there is no iconv")
def test_the_command_that_is_advised_gives_the_texts_back(write, tmp_path, name):
    encoding, texts = TEXTS[name]
    path = write("a.csv", "\n".join(["text,label", *(f'"{text}",x' for text in texts)]).encode(encoding) + b"\n")
    with pytest.raises(DataError) as caught:
        by_name.read_file(path)
    assert f"looks like {name.split()[0]}:" in caught.value.hint
    subprocess.run(caught.value.hint.split("`")[1], shell=True, cwd=tmp_path, check=True, timeout=60)
    assert by_name.read_file(tmp_path / "utf8-a.csv").column("text").to_pylist() == texts


def test_a_few_bytes_among_utf_8_do_not_make_it_another_encoding(write, tmp_path):
    good = "text,label\n" + "Café – naïve “quotes”,x\n" * 20
    path = write("a.csv", good.encode() + "Café,x\n".encode("latin1"))
    with pytest.raises(DataError) as caught:
        by_name.read_file(path)
    assert caught.value.where == f"{path}:22"
    assert "the rest is UTF-8: correct that line" in caught.value.hint


def test_bytes_that_are_no_text_get_no_command(write):
    with pytest.raises(DataError, match="write the file as UTF-8, with the program that made it"):
        by_name.read_file(write("a.txt", bytes(range(1, 256)) + b"\n"))
