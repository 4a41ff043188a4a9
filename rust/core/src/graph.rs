//! Computes the digests of nodes that refer to each other.
//!
//! A definition refers to the functions that it calls, which may refer back; a list may contain
//! itself. Nodes are hashed by strongly connected components, innermost first. A node outside of a
//! cycle is hashed like any other. The members of a cycle are distinguished by refinement: all
//! begin with an equal color, and each round hashes every member with the colors of the members
//! that it refers to, until the number of colors stops growing. Then the members are sorted by
//! their last color and written with their references as positions in that order. This describes
//! the whole cycle, and the digest of a member is made of the cycle's digest and its position. So
//! the digest of a member does not depend on where the walk entered the cycle, nor on how often a
//! part was copied: equal members merge.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::digest::Digest;
use crate::domain::Domain;
use crate::encode::{INLINE_LIMIT, digest_token};
use crate::tags;

/// A node of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(usize);

/// An offset in the content of a node at which another node is inserted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hole {
    pub(crate) offset: usize,
    pub(crate) node: NodeId,
}

/// The order of the children of a node.
#[derive(Clone, Debug, Default)]
pub(crate) enum Layout {
    #[default]
    Ordered,
    /// The offset and the number of holes before each child, and at the end.
    Unordered(Vec<(usize, usize)>),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    content: Vec<u8>,
    holes: Vec<Hole>,
    layout: Layout,
    /// True for a definition, which counts by its digest even if it is short.
    definition: bool,
}

/// The nodes of an encoding.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    nodes: Vec<Node>,
}

/// The bytes that replace each node.
#[derive(Debug)]
pub struct Settled {
    tokens: Vec<Vec<u8>>,
    is_complete: bool,
}

impl Settled {
    /// Returns true if all nodes were distinguished. Otherwise that would have taken too long, and
    /// no digest is valid.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Returns the digest of a node that was defined with [`crate::encode::Encoder::define`].
    pub fn digest(&self, node: NodeId) -> Option<Digest> {
        match self.token(node).split_first() {
            Some((&tags::DIGEST, digest)) => digest.try_into().ok().map(Digest),
            _ => None,
        }
    }

    pub(crate) fn token(&self, node: NodeId) -> &[u8] {
        &self.tokens[node.0]
    }
}

impl Graph {
    pub(crate) fn add(&mut self) -> NodeId {
        self.nodes.push(Node::default());
        NodeId(self.nodes.len() - 1)
    }

    pub(crate) fn define(
        &mut self,
        node: NodeId,
        content: Vec<u8>,
        holes: Vec<Hole>,
        layout: Layout,
        definition: bool,
    ) {
        self.nodes[node.0] = Node { content, holes, layout, definition };
    }

    /// Returns the definitions among `nodes` and the parts of `nodes`. A node without content is a
    /// definition that is still in the queue, since all composites are complete when this is
    /// called.
    pub(crate) fn definitions_below(&self, nodes: impl Iterator<Item = NodeId>) -> Vec<NodeId> {
        let mut pending: Vec<NodeId> = nodes.collect();
        let mut seen = FxHashSet::default();
        let mut found = Vec::new();
        while let Some(node) = pending.pop() {
            if !seen.insert(node) {
                continue;
            }
            let content = &self.nodes[node.0];
            if content.definition || content.content.is_empty() {
                found.push(node);
            } else {
                pending.extend(content.holes.iter().map(|hole| hole.node));
            }
        }
        found.sort_unstable_by_key(|node| node.0);
        found
    }

    /// Returns the composites that `holes` refer to, with their content, and the definitions below
    /// them.
    pub(crate) fn below(&self, holes: &[Hole]) -> (Vec<(NodeId, Node)>, Vec<NodeId>) {
        let mut pending: Vec<NodeId> = holes.iter().map(|hole| hole.node).collect();
        let mut seen = FxHashSet::default();
        let (mut composites, mut definitions) = (Vec::new(), Vec::new());
        while let Some(node) = pending.pop() {
            if !seen.insert(node) {
                continue;
            }
            let content = &self.nodes[node.0];
            if content.definition || content.content.is_empty() {
                definitions.push(node);
            } else {
                pending.extend(content.holes.iter().map(|hole| hole.node));
                composites.push((node, content.clone()));
            }
        }
        (composites, definitions)
    }

    /// Adds copies of composites from another graph. `names` maps each node to which they refer to
    /// a node of this graph. The copies are added to `names`.
    pub(crate) fn add_copies(&mut self, composites: &[(NodeId, Node)], names: &mut FxHashMap<NodeId, NodeId>) {
        for (node, _) in composites {
            let copy = self.add();
            names.insert(*node, copy);
        }
        for (node, content) in composites {
            let mut copy = content.clone();
            for hole in &mut copy.holes {
                hole.node = names[&hole.node];
            }
            self.nodes[names[node].0] = copy;
        }
    }

    pub(crate) fn settle(self) -> Settled {
        let components = components(&self.nodes);
        let mut settling = Settling {
            tokens: vec![Vec::new(); self.nodes.len()],
            unrolled: FxHashMap::default(),
            cyclic: FxHashSet::default(),
            shapes: FxHashSet::default(),
            effort: 0,
            nodes: self.nodes,
        };
        for component in components {
            settling.settle(&component);
            if settling.effort > EFFORT_LIMIT {
                break;
            }
        }
        Settled { is_complete: settling.effort <= EFFORT_LIMIT, tokens: settling.tokens }
    }
}

struct Settling {
    nodes: Vec<Node>,
    /// The bytes that replace a node; empty while they are not known.
    tokens: Vec<Vec<u8>>,
    /// The members of finished cycles by the hash of their content. A node with the same content as
    /// a member is equal to that member, since sharing does not count.
    unrolled: FxHashMap<Digest, Vec<u8>>,
    /// The nodes of finished cycles.
    cyclic: FxHashSet<usize>,
    /// The hashes of the members of finished cycles without their references. A node with another
    /// shape cannot be equal to one of them, which saves the full comparison.
    shapes: FxHashSet<Digest>,
    /// The number of nodes that were hashed to distinguish the members of cycles.
    effort: u64,
}

/// The maximum number of nodes that are hashed to distinguish the members of cycles, which takes
/// some seconds. A ring of n nodes that differ only in their distance from one special node needs
/// n² hashes.
const EFFORT_LIMIT: u64 = 1 << 21;

impl Settling {
    fn settle(&mut self, component: &[usize]) {
        if let [single] = *component
            && self.nodes[single].holes.iter().all(|hole| hole.node.0 != single)
        {
            self.tokens[single] = self.token_outside_cycles(single);
            return;
        }
        if !self.merge_with_settled(component) {
            self.settle_cycle(component);
        }
        self.cyclic.extend(component);
    }

    fn token_outside_cycles(&self, node: usize) -> Vec<u8> {
        let content = render(&self.nodes[node], |child| &self.tokens[child.0]);
        if !self.unrolled.is_empty()
            && let Some(token) = self.unrolled.get(&Domain::Cycle.hash(&content))
        {
            return token.clone();
        }
        if content.len() <= INLINE_LIMIT && !self.nodes[node].definition {
            return content;
        }
        digest_token(Domain::Node.hash(&content)).to_vec()
    }

    /// Hashes a cycle by its members and their references, and each member by its position.
    fn settle_cycle(&mut self, component: &[usize]) {
        let colors = self.refine(component);
        let mut ranked: Vec<(Digest, usize)> = component.iter().map(|&node| (colors[&node], node)).collect();
        ranked.sort_unstable();
        ranked.dedup_by_key(|(color, _)| *color);
        let rank = |node: usize| ranked.partition_point(|(color, _)| *color < colors[&node]) as u64;

        let positions: FxHashMap<usize, [u8; 9]> =
            component.iter().map(|&node| (node, member_token(rank(node)))).collect();
        let mut whole = (ranked.len() as u64).to_le_bytes().to_vec();
        for (_, node) in &ranked {
            let content = render(&self.nodes[*node], |child| match positions.get(&child.0) {
                Some(position) => position,
                None => &self.tokens[child.0],
            });
            whole.extend_from_slice(&(content.len() as u64).to_le_bytes());
            whole.extend_from_slice(&content);
        }
        let whole = Domain::Cycle.hash(&whole);
        for &node in component {
            let member = Domain::Cycle.hash_parts(&whole.0, &rank(node).to_le_bytes());
            self.tokens[node] = digest_token(member).to_vec();
        }
        for &node in component {
            let content = render(&self.nodes[node], |child| &self.tokens[child.0]);
            self.unrolled.insert(Domain::Cycle.hash(&content), self.tokens[node].clone());
            self.shapes.insert(shape(&self.nodes[node]));
        }
    }

    /// Assigns a color to each node; nodes of equal color are equal.
    fn refine(&mut self, members: &[usize]) -> FxHashMap<usize, Digest> {
        let indices: FxHashMap<usize, usize> = members.iter().enumerate().map(|(index, &node)| (node, index)).collect();
        let mut colors = vec![Digest([0; 32]); members.len()];
        let mut count = 1;
        loop {
            let tokens: Vec<[u8; 33]> = colors
                .iter()
                .map(|&color| {
                    let mut token = digest_token(color);
                    token[0] = tags::MEMBER;
                    token
                })
                .collect();
            colors = members
                .iter()
                .map(|&node| {
                    let content = render(&self.nodes[node], |child| match indices.get(&child.0) {
                        Some(&index) => &tokens[index],
                        None => &self.tokens[child.0],
                    });
                    Domain::Round.hash(&content)
                })
                .collect();
            let distinct = colors.iter().collect::<FxHashSet<_>>().len();
            self.effort += members.len() as u64;
            // Each round refines the one before, so an equal count means an equal partition: stop
            // here.
            if distinct == count || self.effort > EFFORT_LIMIT {
                return members.iter().copied().zip(colors).collect();
            }
            count = distinct;
        }
    }

    /// Detects a cycle that refers to an equal finished cycle, and gives it the same tokens.
    ///
    /// For example, `x = [x, x]` and `z = [x, z]` unfold to the same infinite tree.
    fn merge_with_settled(&mut self, component: &[usize]) -> bool {
        if !component.iter().all(|&node| self.shapes.contains(&shape(&self.nodes[node]))) {
            return false;
        }
        let reachable = self.reachable(component);
        let settled: Vec<usize> = reachable.iter().copied().filter(|node| self.cyclic.contains(node)).collect();
        if settled.is_empty() {
            return false;
        }
        let colors = self.refine(&reachable);
        let known: FxHashMap<Digest, usize> = settled.iter().map(|&node| (colors[&node], node)).collect();
        let twins: Option<Vec<(usize, usize)>> =
            component.iter().map(|&node| known.get(&colors[&node]).map(|&twin| (node, twin))).collect();
        let Some(twins) = twins else { return false };
        for (node, twin) in twins {
            let token = self.tokens[twin].clone();
            self.tokens[node] = token;
        }
        true
    }

    /// Returns every node that is reachable from `component`, including itself, in a fixed order.
    fn reachable(&self, component: &[usize]) -> Vec<usize> {
        let mut seen: FxHashSet<usize> = component.iter().copied().collect();
        let mut found = component.to_vec();
        let mut next = 0;
        while let Some(&node) = found.get(next) {
            next += 1;
            for hole in &self.nodes[node].holes {
                if seen.insert(hole.node.0) {
                    found.push(hole.node.0);
                }
            }
        }
        found
    }
}

/// Returns the hash of the content of a node with empty holes.
fn shape(node: &Node) -> Digest {
    Domain::Round.hash(&render(node, |_| &[]))
}

fn member_token(rank: u64) -> [u8; 9] {
    let mut token = [tags::MEMBER; 9];
    token[1..].copy_from_slice(&rank.to_le_bytes());
    token
}

/// Returns the content of a node with filled holes and with sorted unordered children.
fn render<'a>(node: &Node, token: impl Fn(NodeId) -> &'a [u8]) -> Vec<u8> {
    let Layout::Unordered(children) = &node.layout else {
        return fill(&node.content, 0, &node.holes, token);
    };
    let header = children.first().map_or(node.content.len(), |&(offset, _)| offset);
    let mut rendered: Vec<Vec<u8>> = children
        .windows(2)
        .map(|pair| {
            let ((start, holes), (end, holes_end)) = (pair[0], pair[1]);
            fill(&node.content[start..end], start, &node.holes[holes..holes_end], &token)
        })
        .collect();
    rendered.sort_unstable();
    let mut content = node.content[..header].to_vec();
    content.extend(rendered.concat());
    content
}

/// Replaces each hole of `content`, which begins at offset `base`, by the result of `token`.
pub(crate) fn fill<'a>(content: &[u8], base: usize, holes: &[Hole], token: impl Fn(NodeId) -> &'a [u8]) -> Vec<u8> {
    let mut filled = Vec::with_capacity(content.len() + holes.len() * 33);
    let mut done = 0;
    for hole in holes {
        let offset = hole.offset - base;
        filled.extend_from_slice(&content[done..offset]);
        filled.extend_from_slice(token(hole.node));
        done = offset;
    }
    filled.extend_from_slice(&content[done..]);
    filled
}

/// Returns the strongly connected components, each after those that it refers to (Tarjan 1972).
///
/// It uses an explicit stack, so that a chain of a million nodes does not overflow the thread's
/// stack.
fn components(nodes: &[Node]) -> Vec<Vec<usize>> {
    const UNSEEN: usize = usize::MAX;
    let mut index = vec![UNSEEN; nodes.len()];
    let mut low = vec![0; nodes.len()];
    let mut open = vec![false; nodes.len()];
    let mut stack = Vec::new();
    let mut found = Vec::new();
    let mut counter = 0;
    for root in 0..nodes.len() {
        if index[root] != UNSEEN {
            continue;
        }
        // Each frame has a node and the number of its references that were followed.
        let mut frames = vec![(root, 0)];
        while let Some((node, followed)) = frames.pop() {
            if followed == 0 {
                index[node] = counter;
                low[node] = counter;
                counter += 1;
                stack.push(node);
                open[node] = true;
            }
            if let Some(hole) = nodes[node].holes.get(followed) {
                frames.push((node, followed + 1));
                let child = hole.node.0;
                if index[child] == UNSEEN {
                    frames.push((child, 0));
                } else if open[child] {
                    low[node] = low[node].min(index[child]);
                }
                continue;
            }
            if let Some((parent, _)) = frames.last() {
                low[*parent] = low[*parent].min(low[node]);
            }
            if low[node] == index[node] {
                let start = stack.iter().rposition(|&member| member == node).unwrap_or(0);
                let component = stack.split_off(start);
                for &member in &component {
                    open[member] = false;
                }
                found.push(component);
            }
        }
    }
    found
}
