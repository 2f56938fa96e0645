import { useRef, useState, type KeyboardEvent } from 'react';
import { Axis } from './Axis';
import classes from './chart.module.css';
import { labelEvery, scaleTo, stack, type Scale } from './scale';
import { Tooltip } from './Tooltip';
import { useWidth } from './useWidth';

/** What the pieces of the bars are. */
export interface Series {
  id: string;
  name: string;
  color: string;
}

/** One bar. */
export interface Bar {
  id: string;
  /** Under the axis: short. */
  label: string;
  /** The same in full, as "Thu, Nov 26, 2026". */
  title: string;
  values: Record<string, number>;
  /** Its time is not over. */
  isPartial: boolean;
}

/** A line across the chart, such as a budget. */
export interface Limit {
  value: number;
  name: string;
}

interface StackedBarsProps {
  /** What the chart shows, for people who hear the page. */
  label: string;
  bars: Bar[];
  /** The series that are shown, the one at the bottom first. */
  series: Series[];
  format: (value: number) => string;
  isWhole?: boolean;
  limit?: Limit | undefined;
  /** A bar was chosen. Without it bars are only looked at. */
  choose?: ((id: string) => void) | undefined;
  /** What choosing does, as "shows its hours". */
  chosen?: string | undefined;
}

const HEIGHT_PX = 300;
const TOP_PX = 22;
const BOTTOM_PX = 26;
const STEPS = 4;
const MOST_BAR_PX = 44;
const LABEL_PX = 58;
const DIGIT_PX = 7;
/** A limit that is further up than this many times the highest bar is named, and not drawn. */
const FAR = 2.5;

/** Where things are in the picture, in pixels. */
export interface Frame {
  left: number;
  right: number;
  top: number;
  bottom: number;
  y: (value: number) => number;
}

const totalOf = (bar: Bar, series: Series[]) =>
  series.reduce((sum, { id }) => sum + (bar.values[id] ?? 0), 0);

function frameOf(width: number, scale: Scale, format: (value: number) => string): Frame {
  const longest = Math.max(...scale.ticks.map((tick) => format(tick).length));
  const [top, bottom] = [TOP_PX, HEIGHT_PX - BOTTOM_PX];
  return {
    left: longest * DIGIT_PX + 10,
    right: width,
    top,
    bottom,
    y: (value) => bottom - (value / scale.end) * (bottom - top),
  };
}

/**
 * Bars over time, each cut into its series. The pointer and the arrow keys go from bar to bar, and
 * say what each holds; all of it is one stop for the tabulator.
 */
export function StackedBars(props: StackedBarsProps) {
  const { bars, series, format, limit } = props;
  const [ref, width] = useWidth();
  const [at, setAt] = useState<number | null>(null);
  const highest = Math.max(0, ...bars.map((bar) => totalOf(bar, series)));
  const isNear = limit !== undefined && (highest === 0 || limit.value <= highest * FAR);
  const most = isNear ? Math.max(highest, limit.value) : highest;
  const scale = scaleTo(most, STEPS, props.isWhole ?? false);
  const frame = frameOf(width, scale, format);
  const shown = at === null ? undefined : bars[at];
  return (
    <div ref={ref} className={classes.chart} style={{ blockSize: HEIGHT_PX }}>
      {width > 0 && (
        <svg
          width={width}
          height={HEIGHT_PX}
          role="group"
          aria-label={props.label}
          onPointerLeave={() => {
            setAt(null);
          }}
        >
          <Axis frame={frame} scale={scale} format={format} />
          <Labels bars={bars} frame={frame} />
          <Columns {...props} frame={frame} at={at} setAt={setAt} />
          {limit && <LimitLine limit={limit} frame={frame} isNear={isNear} />}
        </svg>
      )}
      {shown && at !== null && (
        <Tooltip
          bar={shown}
          series={series}
          total={format(totalOf(shown, series))}
          format={format}
          x={middleOf(at, bars.length, frame)}
          width={width}
        />
      )}
    </div>
  );
}

function middleOf(index: number, count: number, { left, right }: Frame): number {
  return left + ((index + 0.5) * (right - left)) / count;
}

function Labels({ bars, frame }: { bars: Bar[]; frame: Frame }) {
  const every = labelEvery(bars.length, frame.right - frame.left, LABEL_PX);
  return (
    <g aria-hidden="true" className={classes.words} textAnchor="middle">
      {bars.map(
        ({ id, label }, index) =>
          index % every === 0 && (
            <text key={id} x={middleOf(index, bars.length, frame)} y={HEIGHT_PX - 6}>
              {label}
            </text>
          ),
      )}
    </g>
  );
}

function LimitLine({ limit, frame, isNear }: { limit: Limit; frame: Frame; isNear: boolean }) {
  const y = isNear ? frame.y(limit.value) : frame.top;
  return (
    <g aria-hidden="true" className={classes.limit}>
      {isNear && <line x1={frame.left} x2={frame.right} y1={y} y2={y} />}
      <text x={frame.right} y={y - 6} textAnchor="end">
        {isNear ? limit.name : `${limit.name}: far above`}
      </text>
    </g>
  );
}

interface ColumnsProps extends StackedBarsProps {
  frame: Frame;
  at: number | null;
  setAt: (at: number | null) => void;
}

function Columns({ bars, series, format, choose, chosen, frame, at, setAt }: ColumnsProps) {
  const group = useRef<SVGGElement>(null);
  const slot = (frame.right - frame.left) / bars.length;
  const thick = Math.max(1, Math.min(MOST_BAR_PX, slot * 0.72));
  const order = series.map(({ id }) => id);
  const colors = new Map(series.map(({ id, color }) => [id, color]));
  // The tabulator comes to the bar that is looked at, else to the last one.
  const stop = Math.min(at ?? bars.length - 1, bars.length - 1);
  const move = (event: KeyboardEvent, index: number) => {
    const to = goTo(event.key, index, bars.length);
    const bar = bars[index];
    if (to !== null) {
      const column = group.current?.children[to];
      if (column instanceof SVGElement) column.focus();
    } else if (bar && choose && (event.key === 'Enter' || event.key === ' ')) choose(bar.id);
    else return;
    event.preventDefault();
  };
  return (
    <g ref={group}>
      {bars.map((bar, index) => {
        const x = middleOf(index, bars.length, frame);
        const says = `${bar.title}: ${format(totalOf(bar, series))}`;
        return (
          <g
            key={bar.id}
            role={choose ? 'button' : 'img'}
            aria-label={choose && chosen ? `${says}; ${chosen}` : says}
            tabIndex={index === stop ? 0 : -1}
            className={classes.column}
            data-active={index === at}
            data-choosable={choose !== undefined}
            onPointerEnter={() => {
              setAt(index);
            }}
            onFocus={() => {
              setAt(index);
            }}
            onBlur={() => {
              setAt(null);
            }}
            onKeyDown={(event) => {
              move(event, index);
            }}
            onClick={() => choose?.(bar.id)}
          >
            <rect
              className={classes.slot}
              x={x - slot / 2}
              y={frame.top}
              width={slot}
              height={frame.bottom - frame.top}
            />
            <g className={classes.pieces} data-partial={bar.isPartial}>
              {stack(bar.values, order).map(({ id, from, to }) => (
                <rect
                  key={id}
                  x={x - thick / 2}
                  y={frame.y(to)}
                  width={thick}
                  height={Math.max(1, frame.y(from) - frame.y(to) - (from > 0 ? 1 : 0))}
                  rx={Math.min(2, thick / 4)}
                  fill={colors.get(id)}
                />
              ))}
            </g>
          </g>
        );
      })}
    </g>
  );
}

/** The bar that a key leads to from another; null for keys that lead nowhere. */
function goTo(key: string, from: number, count: number): number | null {
  if (key === 'ArrowRight') return Math.min(from + 1, count - 1);
  if (key === 'ArrowLeft') return Math.max(from - 1, 0);
  if (key === 'Home') return 0;
  if (key === 'End') return count - 1;
  return null;
}
