import classes from './chart.module.css';
import type { Bar, Series } from './StackedBars';

interface TooltipProps {
  bar: Bar;
  series: Series[];
  total: string;
  format: (value: number) => string;
  /** The middle of the bar, and the width of the picture, in pixels. */
  x: number;
  width: number;
}

/** The most series that it lists: more would not fit beside the chart. */
const MOST = 10;

/** What a bar holds, beside it. Those who hear the page have the bar's own name and the table. */
export function Tooltip({ bar, series, total, format, x, width }: TooltipProps) {
  const held = series
    .filter(({ id }) => (bar.values[id] ?? 0) > 0)
    .sort((one, other) => (bar.values[other.id] ?? 0) - (bar.values[one.id] ?? 0));
  const side = x > width / 2 ? { insetInlineEnd: width - x + 16 } : { insetInlineStart: x + 16 };
  return (
    <div aria-hidden="true" className={classes.tooltip} style={side}>
      <div className={classes.tooltipHead}>
        {bar.title}
        {bar.isPartial && ', so far'}
      </div>
      {held.slice(0, MOST).map(({ id, name, color }) => (
        <div key={id} className={classes.tooltipRow}>
          <span className={classes.swatch} style={{ background: color }} />
          <span className={classes.tooltipName}>{name}</span>
          <span>{format(bar.values[id] ?? 0)}</span>
        </div>
      ))}
      {held.length > MOST && <div>and {held.length - MOST} more</div>}
      <div className={classes.tooltipTotal}>
        <span>{held.length === 0 ? 'Nothing' : 'In all'}</span>
        <span>{total}</span>
      </div>
    </div>
  );
}
