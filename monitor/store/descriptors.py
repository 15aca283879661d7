"""The plant's point descriptors as Arrow dictionaries, extended as points appear; codes by row number, no Python per reading."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.model import I32, I64
from monitor.plant import Plant
from monitor.store.text import storable


@dataclass(frozen=True, slots=True)
class Size:
    """How much of the plant may be read; taken on the event loop, where the plant grows. Rows below it never change."""

    points: int
    assets: int
    asset_of: I32

    @classmethod
    def of(cls, plant: Plant) -> "Size":
        return cls(len(plant.points), len(plant.by_row), plant.asset_of)


class Words:
    """The distinct words of one column with the code of each."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}
        self.rows = np.zeros(0, np.int32)  # code by point row

    def extend(self, words: list[str]) -> None:
        codes = [self.codes.setdefault(word, len(self.codes)) for word in words]
        self.rows = np.concatenate([self.rows, np.array(codes, np.int32)])

    def texts(self) -> pa.Array:
        return pa.array(list(self.codes), pa.string())


class Descriptors:
    """Columns of words for any rows of the plant's points. Used by one thread."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._points = 0
        self._paths = pa.array([], pa.string())
        self._assets = pa.array([], pa.string())
        self._rank = np.zeros(0, np.int64)  # place of each asset row in the order of ids
        self._words = {"quantity": Words(), "tags": Words(), "unit": Words()}
        self._texts = {name: words.texts() for name, words in self._words.items()}

    def extend(self, size: Size) -> None:
        """Learn the points and assets that came since the last call."""
        if size.points > self._points:
            new = self._plant.points[self._points : size.points]
            self._paths = pa.concat_arrays([self._paths, pa.array([storable(point.path) for point in new], pa.string())])
            self._words["quantity"].extend([storable(point.quantity) for point in new])
            self._words["tags"].extend([storable(",".join(point.tags)) for point in new])
            self._words["unit"].extend([storable(point.unit) for point in new])
            self._texts = {name: words.texts() for name, words in self._words.items()}
            self._points = size.points
        if size.assets > len(self._assets):
            new_assets = self._plant.by_row[len(self._assets) : size.assets]
            self._assets = pa.concat_arrays([self._assets, pa.array([storable(asset.id) for asset in new_assets], pa.string())])
            self._rank = np.empty(size.assets, np.int64)
            self._rank[pc.sort_indices(self._assets).to_numpy()] = np.arange(size.assets)

    def order(self, points: I32, times: I64, size: Size) -> I64:
        """Return the order of rows by asset id, then point, then time: so the row groups of one asset lie together."""
        return np.lexsort((times, self._rank[size.asset_of[points]] << 32 | points))

    def columns(self, points: I32, size: Size) -> dict[str, pa.DictionaryArray]:
        """Return the word columns of rows; each dictionary holds only the words in use."""
        columns = {"point": _encoded(points, self._paths), "asset": _encoded(size.asset_of[points], self._assets)}
        for name, words in self._words.items():
            columns[name] = _encoded(words.rows[points], self._texts[name])
        return columns


def _encoded(codes: I32, texts: pa.Array) -> pa.DictionaryArray:
    used = np.zeros(len(texts), np.bool_)
    used[codes] = True
    places = np.cumsum(used, dtype=np.int32) - 1
    return pa.DictionaryArray.from_arrays(pa.array(places[codes], pa.int32()), texts.take(pa.array(np.flatnonzero(used))))
