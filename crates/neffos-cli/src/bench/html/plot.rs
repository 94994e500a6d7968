//! One plot as an SVG picture, which is a separate file or part of a page. Pure.

use std::fmt::Write;

use super::axis::Axis;

/// The content of a plot.
#[derive(Debug, Default)]
pub(super) struct Plot {
    pub(super) title: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) lines: Vec<Line>,
    /// The start, end and height of each bar.
    pub(super) bars: Vec<(f64, f64, f64)>,
    /// The x value, and the lower and upper y value, of each whisker. A whisker shorter than a pixel is not drawn.
    pub(super) whiskers: Vec<(f64, f64, f64)>,
    pub(super) marks: Vec<Mark>,
}

#[derive(Debug)]
pub(super) struct Line {
    /// Empty if there is only one line.
    pub(super) name: String,
    /// The CSS class, which determines the colour.
    pub(super) class: &'static str,
    pub(super) points: Vec<(f64, f64)>,
}

/// A named x value.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) name: &'static str,
    pub(super) x: f64,
}

impl Plot {
    pub(super) fn draw(&self) -> String {
        let mut svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {FULL_WIDTH} {FULL_HEIGHT}" role="img"><title>{}</title>{STYLE}"#,
            self.title
        );
        svg += &format!(r#"<text class="title" x="{LEFT}" y="20">{}</text>"#, self.title);
        self.draw_axes(&mut svg);
        self.draw_bars(&mut svg);
        self.draw_lines(&mut svg);
        self.draw_marks(&mut svg);
        svg + "</svg>"
    }

    // Writing to a string cannot fail, here and below.
    fn draw_axes(&self, svg: &mut String) {
        let (bottom, end) = (TOP + HEIGHT, LEFT + WIDTH);
        for (value, text) in self.y.ticks() {
            let y = self.y(value);
            write!(svg, r#"<path class="grid" d="M{LEFT} {y:.1}H{end}"/>"#).ok();
            write!(svg, r#"<text x="{}" y="{:.1}" text-anchor="end">{text}</text>"#, LEFT - 8.0, y + 4.0).ok();
        }
        for (value, text) in self.x.ticks() {
            let x = self.x(value);
            write!(svg, r#"<path class="axis" d="M{x:.1} {bottom}v5"/>"#).ok();
            write!(svg, r#"<text x="{x:.1}" y="{}" text-anchor="middle">{text}</text>"#, bottom + 19.0).ok();
        }
        write!(svg, r#"<path class="axis" d="M{LEFT} {bottom}H{end}"/>"#).ok();
        let middle = (LEFT + WIDTH / 2.0, TOP + HEIGHT / 2.0);
        write!(svg, r#"<text x="{}" y="{}" text-anchor="middle">{}</text>"#, middle.0, bottom + 38.0, self.x.name).ok();
        write!(
            svg,
            r#"<text transform="translate(16 {}) rotate(-90)" text-anchor="middle">{}</text>"#,
            middle.1, self.y.name
        )
        .ok();
    }

    fn draw_bars(&self, svg: &mut String) {
        for (from, to, high) in &self.bars {
            let (x, end, y) = (self.x(*from), self.x(*to), self.y(*high));
            let (width, height) = ((end - x - 1.0).max(0.5), TOP + HEIGHT - y);
            write!(svg, r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}"/>"#).ok();
        }
    }

    fn draw_lines(&self, svg: &mut String) {
        for (x, from, to) in &self.whiskers {
            let (x, from, to) = (self.x(*x), self.y(*from), self.y(*to));
            if from - to > 1.0 {
                write!(svg, r#"<path class="whisker" d="M{x:.1} {from:.1}V{to:.1}"/>"#).ok();
            }
        }
        for (nth, line) in (0_u8..).zip(&self.lines) {
            let class = line.class;
            let place = |(x, y): &(f64, f64)| (self.x(*x), self.y(*y));
            let points: Vec<_> = line.points.iter().map(place).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            write!(svg, r#"<polyline class="{class}" points="{}"/>"#, points.join(" ")).ok();
            for (x, y) in line.points.iter().map(place).filter(|_| line.points.len() <= FEW) {
                write!(svg, r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="3.5"/>"#).ok();
            }
            let x = LEFT + WIDTH - f64::from(nth) * 60.0;
            write!(svg, r#"<text class="{class}" x="{x}" y="20" text-anchor="end">{}</text>"#, line.name).ok();
        }
    }

    /// Draws the marks, with staggered names so that they do not overlap.
    fn draw_marks(&self, svg: &mut String) {
        for (nth, Mark { name, x }) in (0_u8..).zip(&self.marks) {
            let (x, y) = (self.x(*x), TOP + 12.0 + f64::from(nth) * 15.0);
            let near_end = x > LEFT + WIDTH - 50.0;
            let (anchor, text) = if near_end { ("end", x - 4.0) } else { ("start", x + 4.0) };
            write!(svg, r#"<path class="mark" d="M{x:.1} {TOP}V{}"/>"#, TOP + HEIGHT).ok();
            write!(svg, r#"<text class="second" x="{text:.1}" y="{y}" text-anchor="{anchor}">{name}</text>"#).ok();
        }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + self.x.place(value).clamp(0.0, 1.0) * WIDTH
    }

    fn y(&self, value: f64) -> f64 {
        TOP + HEIGHT - self.y.place(value).clamp(0.0, 1.0) * HEIGHT
    }
}

const LEFT: f64 = 72.0;
const TOP: f64 = 36.0;
const WIDTH: f64 = 700.0;
const HEIGHT: f64 = 230.0;
const FULL_WIDTH: f64 = 796.0;
const FULL_HEIGHT: f64 = 312.0;
/// A line of at most so many points also shows each point.
const FEW: usize = 40;
const STYLE: &str = "<style>
  svg { font: 12px system-ui, sans-serif; }
  svg text { fill: #5b6270; }
  svg .title { fill: #1f2430; font-size: 14px; font-weight: 600; }
  svg path, svg polyline { fill: none; stroke-width: 1; }
  svg polyline { stroke-width: 1.8; stroke-linejoin: round; }
  svg .grid { stroke: #e3e6ea; }
  svg .axis { stroke: #8b93a1; }
  svg .mark { stroke: #c2410c; stroke-dasharray: 3 3; }
  svg polyline.first, svg .whisker { stroke: #2563eb; }
  svg polyline.second { stroke: #c2410c; }
  svg text.first, svg circle.first, svg rect { fill: #2563eb; }
  svg text.second, svg circle.second { fill: #c2410c; }
  @media (prefers-color-scheme: dark) {
    svg text { fill: #9aa1ad; }
    svg .title { fill: #e4e6ea; }
    svg .grid { stroke: #2b2f37; }
    svg .axis { stroke: #6b7280; }
    svg .mark { stroke: #fb923c; }
    svg polyline.first, svg .whisker { stroke: #6ea8fe; }
    svg polyline.second { stroke: #fb923c; }
    svg text.first, svg circle.first, svg rect { fill: #6ea8fe; }
    svg text.second, svg circle.second { fill: #fb923c; }
  }
</style>";
