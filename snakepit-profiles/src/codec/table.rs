//! The table of buffers in front of a body's text; must not know what the text says.

use bytes::Bytes;

use super::CodecError;

/// A body taken apart.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) text: &'a [u8],
    pub(super) buffers: Vec<Option<Bytes>>,
}

/// Puts the table in front of the text that begins at `start` of `out`. Nothing if there are no buffers.
pub(super) fn insert(out: &mut Vec<u8>, start: usize, buffers: &[Bytes]) {
    if buffers.is_empty() {
        return;
    }
    let count = u32::try_from(buffers.len()).unwrap_or(u32::MAX);
    let sizes = buffers
        .iter()
        .flat_map(|buffer| (buffer.len() as u64).to_le_bytes());
    out.splice(start..start, count.to_le_bytes().into_iter().chain(sizes));
}

/// Takes a body with a table apart.
pub(super) fn split(body: &Bytes) -> Result<Parts<'_>, CodecError> {
    let short = CodecError::Table("is longer than the body");
    let (count, rest) = body.split_first_chunk().ok_or(short.clone())?;
    let count = u32::from_le_bytes(*count) as usize;
    if count == 0 {
        return Err(CodecError::Table("is empty"));
    }
    let (sizes, _) = count
        .checked_mul(8)
        .and_then(|size| rest.split_at_checked(size))
        .ok_or(short)?;
    let (sizes, _) = sizes.as_chunks();
    // The text begins after the table; the buffers fill the end.
    let text_start = 4 + 8 * count;
    let mut end = body.len();
    let mut buffers = vec![None; count];
    for (size, buffer) in sizes.iter().zip(&mut buffers).rev() {
        let start = usize::try_from(u64::from_le_bytes(*size))
            .ok()
            .and_then(|size| end.checked_sub(size))
            .filter(|start| *start >= text_start)
            .ok_or(CodecError::Table("asks for more than the body holds"))?;
        *buffer = Some(body.slice(start..end));
        end = start;
    }
    Ok(Parts {
        text: &body[text_start..end],
        buffers,
    })
}
