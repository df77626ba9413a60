//! Argon2id but for BLAKE2b and the compression function: which block is made of which (RFC 9106 §3.2 to §3.4).
//!
//! The lanes of a hash advance in lockstep on one thread. As soon as a lane knows which block its next step
//! refers to, that block is on its way into the cache; by the time the other lanes have had their turn it is there.
//! This order is one of those that the RFC allows: lanes meet at the end of a slice and see nothing of each
//! other's slice before. For the same reason a helper may fill half of a slice's lanes meanwhile. A wrong place is an
//! error, never another's memory, with a helper as without.

use std::ops::Range;

use zeroize::Zeroize;

use crate::assistance::{Assistance, Task};
use crate::block::Block;
use crate::digest::{ARGON2ID, InitialHash, variable_length_hash};
use crate::parameters::{Error, Parameters, SLICES};
use crate::share::{Blocks, Place, Plan, Share, Whole};

/// One implementation of the compression function G, and proof that this processor can run it.
pub(crate) trait Compression: Copy {
    /// Where the kernel keeps the RFC's word number `word` of a block. Word 0 comes first.
    fn position(word: usize) -> usize;

    /// Makes `destination` G(`previous`, `reference`), or with `ACCUMULATE` adds that to what it holds, by XOR.
    ///
    /// Tells `first_word` the new word 0, from which the next reference follows, as early as it knows it.
    fn compress<const ACCUMULATE: bool>(
        self,
        previous: &Block,
        reference: &Block,
        destination: &mut Block,
        first_word: impl FnOnce(u64),
    );

    /// Has a block brought near, where the processor knows how to. Never reads it; any address will do.
    fn prefetch(self, block: *const Block);
}

/// Lanes in lockstep at a time: enough to hide the memory's latency, few enough for the first-level cache.
const LOCKSTEP: usize = 8;

/// Addresses that one block of data-independent addressing holds.
const ADDRESSES: usize = Block::WORDS;

/// Fills `memory`, of exactly the blocks that `parameters` use, and writes the tag.
pub(crate) fn fill<C: Compression + Send + 'static>(
    compression: C,
    memory: &mut [Block],
    initial_hash: &InitialHash,
    (parameters, assistance): (Parameters, Option<&Assistance>),
    tag: &mut [u8],
) -> Result<(), Error> {
    begin_lanes::<C>(memory, initial_hash, parameters)?;
    let plan = Plan::new(parameters);
    for pass in 0..parameters.iterations() {
        for slice in 0..SLICES {
            Segments { compression, plan, pass, slice }.fill(memory, assistance)?;
        }
    }
    finish::<C>(memory, plan, tag)
}

/// Makes each lane's first two blocks from H₀.
fn begin_lanes<C: Compression>(
    memory: &mut [Block],
    initial_hash: &InitialHash,
    parameters: Parameters,
) -> Result<(), Error> {
    let mut bytes = [0; Block::BYTES];
    let lanes = memory.chunks_exact_mut(parameters.segment_length() * SLICES);
    for (lane, blocks) in (0u32..).zip(lanes) {
        for (index, block) in (0u32..2).zip(blocks) {
            let parts = [initial_hash.as_slice(), &index.to_le_bytes(), &lane.to_le_bytes()];
            variable_length_hash(parts, &mut bytes)?;
            for (word, bytes) in bytes.as_chunks().0.iter().enumerate() {
                block.0[C::position(word)] = u64::from_le_bytes(*bytes);
            }
        }
    }
    bytes.zeroize();
    Ok(())
}

/// Makes the tag from the lanes' last blocks.
fn finish<C: Compression>(memory: &[Block], plan: Plan, tag: &mut [u8]) -> Result<(), Error> {
    let mut sum = Block::ZERO;
    for last in memory.iter().skip(plan.lane_length - 1).step_by(plan.lane_length) {
        sum.0.iter_mut().zip(&last.0).for_each(|(sum, word)| *sum ^= word);
    }
    let mut bytes = [0; Block::BYTES];
    for (word, bytes) in bytes.as_chunks_mut().0.iter_mut().enumerate() {
        *bytes = sum.0[C::position(word)].to_le_bytes();
    }
    let outcome = variable_length_hash([&bytes, &[], &[]], tag);
    sum.0.zeroize();
    bytes.zeroize();
    outcome
}

/// The segments of one slice in one pass.
#[derive(Clone, Copy)]
struct Segments<C> {
    compression: C,
    plan: Plan,
    pass: u32,
    slice: usize,
}

/// Where a lane stands within a segment.
#[derive(Clone, Copy)]
struct Lane {
    /// The block that the next step refers to.
    reference: Place,
    /// A block of references to come, where these don't depend on data.
    addresses: Block,
}

impl<C: Compression + Send + 'static> Segments<C> {
    /// Fills the slice: with a helper, if there is one now, and otherwise alone.
    fn fill(self, memory: &mut [Block], assistance: Option<&Assistance>) -> Result<(), Error> {
        let Self { plan, slice, .. } = self;
        let Some(assistance) = assistance.filter(|_| plan.lanes > 1) else { return self.fill_alone(memory) };
        // SAFETY: nothing uses `memory` before both shares are done with: `mine` ends with this function, and `theirs`
        // goes into the offer, which is seen to its end on every way out of here.
        let [mut mine, mut theirs] = unsafe { Share::pair(memory, plan, slice, plan.lanes.div_ceil(2)) }?;
        let task = || -> Task { Box::new(move || self.fill_lanes(theirs.lanes(), &mut theirs)) };
        let Some(offer) = assistance.offer(task) else { return self.fill_alone(memory) };
        let outcome = self.fill_lanes(mine.lanes(), &mut mine);
        offer.finish().and(outcome)
    }

    fn fill_alone(self, memory: &mut [Block]) -> Result<(), Error> {
        self.fill_lanes(0..self.plan.lanes, &mut Whole { memory, plan: self.plan })
    }

    fn fill_lanes(self, lanes: Range<usize>, memory: &mut impl Blocks) -> Result<(), Error> {
        let mut states = [Lane { reference: Place { lane: 0, position: 0 }, addresses: Block::ZERO }; LOCKSTEP];
        for first in lanes.clone().step_by(LOCKSTEP) {
            let group = first..lanes.end.min(first + LOCKSTEP);
            if self.pass == 0 {
                self.fill_group::<false>(memory, group, &mut states)?;
            } else {
                self.fill_group::<true>(memory, group, &mut states)?;
            }
        }
        Ok(())
    }

    fn fill_group<const ACCUMULATE: bool>(
        self,
        memory: &mut impl Blocks,
        lanes: Range<usize>,
        states: &mut [Lane; LOCKSTEP],
    ) -> Result<(), Error> {
        // A lane's first two blocks come from H₀.
        let begin = if self.pass == 0 && self.slice == 0 { 2 } else { 0 };
        for (lane, state) in lanes.clone().zip(&mut *states) {
            if self.is_data_independent() {
                self.look_ahead(memory.start(), lane, begin, state);
            } else {
                let previous = memory.block(self.previous(lane, begin))?.0[C::position(0)];
                self.refer(memory.start(), previous, lane, begin, state);
            }
        }
        for index in begin..self.plan.segment_length {
            for (lane, state) in lanes.clone().zip(&mut *states) {
                self.step::<ACCUMULATE>(memory, lane, index, state)?;
            }
        }
        Ok(())
    }

    /// Makes one block, and finds out what the lane's next one will refer to.
    #[inline]
    fn step<const ACCUMULATE: bool>(
        self,
        memory: &mut impl Blocks,
        lane: usize,
        index: usize,
        state: &mut Lane,
    ) -> Result<(), Error> {
        let start = memory.start();
        let next = index + 1;
        let places = [self.previous(lane, index), state.reference, self.current(lane, index)];
        if self.is_data_independent() && next < self.plan.segment_length {
            self.look_ahead(start, lane, next, state);
        }
        let (previous, reference, current) = memory.lend(places)?;
        self.compression.compress::<ACCUMULATE>(previous, reference, current, |pseudo_random| {
            if !self.is_data_independent() && next < self.plan.segment_length {
                self.refer(start, pseudo_random, lane, next, state);
            }
        });
        Ok(())
    }

    /// Only the first half of the first pass: there a password leaves no trace in which memory is used.
    const fn is_data_independent(&self) -> bool {
        self.pass == 0 && self.slice < SLICES / 2
    }

    const fn current(&self, lane: usize, index: usize) -> Place {
        Place { lane, position: self.slice * self.plan.segment_length + index }
    }

    /// The block before the current one; before the lane's first comes its last.
    const fn previous(&self, lane: usize, index: usize) -> Place {
        let Place { position, .. } = self.current(lane, index);
        let after = if position == 0 { self.plan.lane_length } else { position };
        Place { lane, position: after - 1 }
    }

    /// Takes the reference of the block at `index` from the address block, made anew when it is used up.
    #[inline]
    fn look_ahead(&self, start: *const Block, lane: usize, index: usize, state: &mut Lane) {
        let position = index % ADDRESSES;
        let is_first = self.slice == 0 && index == 2;
        if position == 0 || is_first {
            state.addresses = self.addresses(lane, index / ADDRESSES);
        }
        self.refer(start, state.addresses.0[C::position(position)], lane, index, state);
    }

    /// The address block number `count` of a segment (RFC 9106 §3.4.1.2).
    fn addresses(&self, lane: usize, count: usize) -> Block {
        let memory = self.plan.lanes * self.plan.lane_length;
        let mut input = Block::ZERO;
        let numbers = [0, lane as u64, self.slice as u64, memory as u64, u64::from(self.plan.iterations)];
        let numbers = numbers.into_iter().chain([u64::from(ARGON2ID), count as u64 + 1]);
        for (word, number) in numbers.enumerate() {
            input.0[C::position(word)] = number;
        }
        let mut once = Block::ZERO;
        let mut twice = Block::ZERO;
        self.compression.compress::<false>(&Block::ZERO, &input, &mut once, |_| {});
        self.compression.compress::<false>(&Block::ZERO, &once, &mut twice, |_| {});
        twice
    }

    /// Notes what the block at `index` refers to, and has both brought near.
    #[inline]
    fn refer(&self, start: *const Block, pseudo_random: u64, lane: usize, index: usize, state: &mut Lane) {
        state.reference = self.reference(pseudo_random, lane, index);
        self.compression.prefetch(start.wrapping_add(self.plan.index(state.reference)));
        self.compression.prefetch(start.wrapping_add(self.plan.index(self.current(lane, index))));
    }

    /// The block that `pseudo_random` (J₂ ‖ J₁) means (RFC 9106 §3.4.1 and §3.4.2).
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "both are less than the lanes and blocks that memory holds")]
    const fn reference(&self, pseudo_random: u64, lane: usize, index: usize) -> Place {
        let Plan { lanes, lane_length, segment_length, .. } = self.plan;
        let first_slice = self.pass == 0 && self.slice == 0;
        let from = if first_slice { lane } else { (high_half(pseudo_random) % lanes as u64) as usize };
        // W: what has been made and isn't being made by another lane, but for the block before.
        let finished = if self.pass == 0 { self.slice * segment_length } else { lane_length - segment_length };
        let area = if from == lane {
            finished + index - 1
        } else if index == 0 {
            finished - 1
        } else {
            finished
        };
        let low = pseudo_random & 0xffff_ffff;
        let back = high_half(area as u64 * high_half(low * low)) as usize;
        let begin = if self.pass == 0 { 0 } else { (self.slice + 1) % SLICES * segment_length };
        let position = begin + area - 1 - back;
        Place { lane: from, position: if position < lane_length { position } else { position - lane_length } }
    }
}

const fn high_half(product: u64) -> u64 {
    product >> 32
}
