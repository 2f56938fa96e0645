import classes from './chart.module.css';
import type { Scale } from './scale';
import type { Frame } from './StackedBars';

interface AxisProps {
  frame: Frame;
  scale: Scale;
  format: (value: number) => string;
}

/** The lines across the picture, and what each stands for. */
export function Axis({ frame, scale, format }: AxisProps) {
  return (
    <g aria-hidden="true" className={classes.words} textAnchor="end">
      {scale.ticks.map((tick) => (
        <g key={tick}>
          <line
            className={classes.line}
            x1={frame.left}
            x2={frame.right}
            y1={frame.y(tick)}
            y2={frame.y(tick)}
          />
          <text x={frame.left - 8} y={frame.y(tick)} dominantBaseline="central">
            {format(tick)}
          </text>
        </g>
      ))}
    </g>
  );
}
