import {
  Bar,
  BarChart,
  CartesianGrid,
  ReferenceLine,
  ResponsiveContainer,
  Tooltip,
  XAxis,
  YAxis,
} from 'recharts';
import { colorOf } from './colors';
import type { Report } from './report';

const HEIGHT_PX = 320;

interface ChartProps {
  report: Report;
  /** The series that are shown. */
  shown: string[];
  nameOf: (series: string) => string;
  format: (value: number) => string;
  /** A line across the chart, such as a daily budget. */
  line?: number | undefined;
  /** A day was chosen. */
  onDay: (day: string) => void;
}

/** Bars by day, each cut into its series. The table under it says the same to those who cannot see. */
export default function Chart({ report, shown, nameOf, format, line, onDay }: ChartProps) {
  const rows = report.days.map(({ day, values }) => ({ day, ...values }));
  return (
    <div aria-hidden="true">
      <ResponsiveContainer width="100%" height={HEIGHT_PX}>
        <BarChart
          data={rows}
          accessibilityLayer={false}
          margin={{ top: 8, right: 8, bottom: 0, left: 8 }}
          onClick={({ activeLabel }) => {
            if (typeof activeLabel === 'string') onDay(activeLabel);
          }}
        >
          <CartesianGrid vertical={false} stroke="var(--farebox-line)" />
          <XAxis dataKey="day" tickFormatter={(day: string) => day.slice(5)} minTickGap={24} />
          <YAxis width={72} tickFormatter={format} />
          <Tooltip
            cursor={{ fill: 'var(--farebox-well)' }}
            contentStyle={{
              background: 'var(--farebox-card)',
              border: '1px solid var(--farebox-line)',
              borderRadius: 8,
            }}
            formatter={(value, name) => [format(Number(value)), nameOf(String(name))]}
          />
          {line !== undefined && (
            <ReferenceLine y={line} stroke="var(--farebox-bad)" strokeDasharray="4 4" />
          )}
          {shown.map((name) => (
            <Bar
              key={name}
              dataKey={name}
              stackId="all"
              fill={colorOf(report.series.indexOf(name))}
              isAnimationActive={false}
              maxBarSize={40}
            />
          ))}
        </BarChart>
      </ResponsiveContainer>
    </div>
  );
}
