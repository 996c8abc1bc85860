//! FlatBuffers, the form in which Arrow describes its messages: numbers at places that tables name.

/// A table of a FlatBuffer, the form in which Arrow describes its messages.
#[derive(Clone, Copy)]
pub(super) struct Flat<'a> {
    buffer: &'a [u8],
    at: usize,
}

impl<'a> Flat<'a> {
    pub(super) fn root(buffer: &'a [u8]) -> Option<Self> {
        let at = usize::try_from(int(buffer, 0)?).ok()?;
        Some(Self { buffer, at })
    }

    /// Where the field of this number is; none where the table does not have it.
    pub(super) fn field(&self, number: usize) -> Option<usize> {
        let back = int(self.buffer, self.at)?;
        let vtable = usize::try_from(i64::try_from(self.at).ok()? - i64::from(back)).ok()?;
        let place = 4 + 2 * number;
        if place + 2 > usize::from(short(self.buffer, vtable)?) {
            return None;
        }
        match short(self.buffer, vtable.checked_add(place)?)? {
            0 => None,
            offset => self.at.checked_add(usize::from(offset)),
        }
    }

    /// What the field of this number points to.
    fn target(&self, number: usize) -> Option<usize> {
        follow(self.buffer, self.field(number)?)
    }

    pub(super) fn table(&self, number: usize) -> Option<Self> {
        let at = self.target(number)?;
        Some(Self { at, ..*self })
    }

    /// The elements of a vector, of `size` bytes each.
    pub(super) fn vector(&self, number: usize, size: usize) -> Option<&'a [u8]> {
        let at = self.target(number)?;
        let length = usize::try_from(int(self.buffer, at)?).ok()?;
        self.buffer.get(at + 4..)?.get(..length.checked_mul(size)?)
    }

    /// A vector of tables.
    pub(super) fn tables(&self, number: usize) -> Option<Vec<Self>> {
        let offsets = self.vector(number, 4)?;
        let first = self.target(number)?.checked_add(4)?;
        (0..offsets.len() / 4)
            .map(|place| {
                let at = follow(self.buffer, first + 4 * place)?;
                Some(Self { at, ..*self })
            })
            .collect()
    }

    pub(super) fn text(&self, number: usize) -> Option<&'a str> {
        std::str::from_utf8(self.vector(number, 1)?).ok()
    }

    pub(super) fn byte(&self, number: usize) -> Option<u8> {
        match self.field(number) {
            Some(at) => self.buffer.get(at).copied(),
            None => Some(0),
        }
    }

    pub(super) fn short_or(&self, number: usize, default: u16) -> Option<u16> {
        match self.field(number) {
            Some(at) => short(self.buffer, at),
            None => Some(default),
        }
    }

    pub(super) fn int_or(&self, number: usize, default: i32) -> Option<i32> {
        match self.field(number) {
            Some(at) => int(self.buffer, at),
            None => Some(default),
        }
    }

    pub(super) fn long(&self, number: usize) -> Option<i64> {
        match self.field(number) {
            Some(at) => long(self.buffer, at),
            None => Some(0),
        }
    }
}

fn follow(buffer: &[u8], at: usize) -> Option<usize> {
    at.checked_add(usize::try_from(int(buffer, at)?).ok()?)
}

pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

pub(super) fn short(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

pub(super) fn int(bytes: &[u8], at: usize) -> Option<i32> {
    array(bytes, at).map(i32::from_le_bytes)
}

pub(super) fn long(bytes: &[u8], at: usize) -> Option<i64> {
    array(bytes, at).map(i64::from_le_bytes)
}
