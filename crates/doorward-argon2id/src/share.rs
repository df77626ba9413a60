//! The memory as one thread sees it while a slice is filled: all of it, or a share of it beside another thread.

use std::ops::Range;
use std::ptr::NonNull;

use crate::block::Block;
use crate::parameters::{Error, Parameters, SLICES};

/// The shape of the memory: `lanes` rows of `lane_length` blocks, each row in four segments.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) lanes: usize,
    pub(crate) lane_length: usize,
    pub(crate) segment_length: usize,
    pub(crate) iterations: u32,
}

impl Plan {
    pub(crate) const fn new(parameters: Parameters) -> Self {
        let segment_length = parameters.segment_length();
        Self {
            lanes: parameters.lanes() as usize,
            lane_length: segment_length * SLICES,
            segment_length,
            iterations: parameters.iterations(),
        }
    }

    /// Index in memory.
    #[inline]
    pub(crate) const fn index(&self, place: Place) -> usize {
        place.lane * self.lane_length + place.position
    }
}

/// Which block: the row and the place in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) lane: usize,
    pub(crate) position: usize,
}

/// Memory that lends the three blocks of a step.
pub(crate) trait Blocks {
    /// Where the memory begins, to prefetch from. Never read through.
    fn start(&self) -> *const Block;

    /// The block there.
    fn block(&self, place: Place) -> Result<&Block, Error>;

    /// The blocks at `previous`, `reference` and `current`, the last to be written.
    fn lend(&mut self, places: [Place; 3]) -> Result<(&Block, &Block, &mut Block), Error>;
}

/// All of the memory, for one thread. A wrong place is an error, never another's memory.
pub(crate) struct Whole<'a> {
    pub(crate) memory: &'a mut [Block],
    pub(crate) plan: Plan,
}

impl Blocks for Whole<'_> {
    #[inline]
    fn start(&self) -> *const Block {
        self.memory.as_ptr()
    }

    fn block(&self, place: Place) -> Result<&Block, Error> {
        self.memory.get(self.plan.index(place)).ok_or(Error::Defect)
    }

    #[inline]
    fn lend(&mut self, places: [Place; 3]) -> Result<(&Block, &Block, &mut Block), Error> {
        let indices = places.map(|place| self.plan.index(place));
        // The block before and the reference are never the current one, nor each other (RFC 9106 §3.4.2).
        let [previous, reference, current] = self.memory.get_disjoint_mut(indices).map_err(|_| Error::Defect)?;
        Ok((previous, reference, current))
    }
}

/// One thread's share during one slice: it writes that slice's segments of its lanes, and reads these and all
/// segments of the other slices. So do the RFC's rules have it (§3.4.1.3), and every place is held against them:
/// what they don't allow is an error, never a race.
pub(crate) struct Share {
    start: NonNull<Block>,
    plan: Plan,
    /// Positions of the slice within a lane.
    slice: Range<usize>,
    lanes: Range<usize>,
}

// SAFETY: a share reads nothing that the other one of its pair writes, and the caller of `pair` keeps everybody else
// away; what it points to are plain numbers.
unsafe impl Send for Share {}

impl Share {
    /// Cuts slice number `slice` in two: the lanes before `middle`, and the others.
    ///
    /// # Safety
    ///
    /// As long as either share is used, `memory` must stay where it is, and nobody else may use it.
    pub(crate) unsafe fn pair(
        memory: &mut [Block],
        plan: Plan,
        slice: usize,
        middle: usize,
    ) -> Result<[Self; 2], Error> {
        if memory.len() != plan.lanes * plan.lane_length || slice >= SLICES || middle > plan.lanes {
            return Err(Error::Defect);
        }
        let start = NonNull::from(memory).cast();
        let slice = slice * plan.segment_length..(slice + 1) * plan.segment_length;
        let share = |lanes| Self { start, plan, slice: slice.clone(), lanes };
        Ok([share(0..middle), share(middle..plan.lanes)])
    }

    /// The lanes that this share fills.
    pub(crate) fn lanes(&self) -> Range<usize> {
        self.lanes.clone()
    }

    /// Whether nobody but this share uses that block: one of the slice, in a lane of its own.
    #[inline]
    fn owns(&self, place: Place) -> bool {
        self.slice.contains(&place.position) && self.lanes.contains(&place.lane)
    }

    /// Whether this share may read that block: its own, or of another slice, which nobody writes meanwhile.
    #[inline]
    fn may_read(&self, place: Place) -> bool {
        place.lane < self.plan.lanes
            && place.position < self.plan.lane_length
            && (!self.slice.contains(&place.position) || self.lanes.contains(&place.lane))
    }

    #[inline]
    fn pointer(&self, place: Place) -> NonNull<Block> {
        // SAFETY: all callers have found the place within the plan, so the index lies within the memory that `pair`
        // was given and has measured.
        unsafe { self.start.add(self.plan.index(place)) }
    }
}

impl Blocks for Share {
    #[inline]
    fn start(&self) -> *const Block {
        self.start.as_ptr()
    }

    fn block(&self, place: Place) -> Result<&Block, Error> {
        if !self.may_read(place) {
            return Err(Error::Defect);
        }
        // SAFETY: within the memory, and nobody writes it while `self` is borrowed: other shares don't reach it or
        // only read it, and `self` writes through an exclusive borrow.
        Ok(unsafe { self.pointer(place).as_ref() })
    }

    #[inline]
    fn lend(&mut self, [previous, reference, current]: [Place; 3]) -> Result<(&Block, &Block, &mut Block), Error> {
        let is_allowed = self.owns(current) && self.may_read(previous) && self.may_read(reference);
        if !is_allowed || current == previous || current == reference {
            return Err(Error::Defect);
        }
        // `owns` asks for a position within the slice and a lane of this share: both are within the plan.
        let mut current = self.pointer(current);
        // SAFETY: all three are within the memory. `current` is owned by this share and neither of the other two
        // (different places have different indices, as positions are less than a lane's length), and the borrow of
        // `self` keeps it that way. The other two are read only, here and elsewhere, as in `block`.
        Ok(unsafe { (self.pointer(previous).as_ref(), self.pointer(reference).as_ref(), current.as_mut()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_gives_nothing_that_the_other_may_write() {
        let plan = Plan::new(Parameters::new(96, 1, 3).unwrap());
        let mut memory = vec![Block::ZERO; plan.lanes * plan.lane_length];
        let places = || (0..4).flat_map(|lane| (0..40).map(move |position| Place { lane, position }));
        for slice in 0..SLICES {
            // SAFETY: `memory` outlives both shares and isn't touched besides.
            let mut shares = unsafe { Share::pair(&mut memory, plan, slice, 2) }.unwrap();
            for place in places() {
                let exists = place.lane < 3 && place.position < 32;
                let is_in_slice = place.position / 8 == slice;
                for (index, share) in shares.iter_mut().enumerate() {
                    let is_own_lane = (place.lane < 2) == (index == 0);
                    assert_eq!(share.block(place).is_ok(), exists && (!is_in_slice || is_own_lane));
                    // Two others that this share may always read.
                    let other = |lane| Place { lane, position: (slice + 1) % SLICES * 8 };
                    let lent = share.lend([other(0), other(1), place]);
                    assert_eq!(lent.is_ok(), exists && is_in_slice && is_own_lane);
                    assert!(share.lend([place, other(1), place]).is_err());
                }
            }
        }
    }

    #[test]
    fn a_pair_of_another_size_is_refused() {
        let plan = Plan::new(Parameters::new(64, 1, 2).unwrap());
        let mut memory = vec![Block::ZERO; plan.lanes * plan.lane_length - 1];
        // SAFETY: as above; nothing is read or written.
        assert!(unsafe { Share::pair(&mut memory, plan, 0, 1) }.is_err());
    }
}
