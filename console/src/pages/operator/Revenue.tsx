import { Choices } from '../../ui/Choices';
import { Page } from '../../ui/Page';
import { Drifts } from './Drifts';
import { Margin } from './Margin';
import { Spenders } from './Spenders';

/** What the installation earns, and what it pays for that. */
export default function Revenue() {
  return (
    <Page
      title="Revenue"
      lead="What customers were charged, what it cost at the upstreams, and what is left. Days are UTC."
    >
      <Choices
        label="Revenue"
        choices={[
          { id: 'margin', name: 'Revenue and margin', view: <Margin /> },
          { id: 'organizations', name: 'By organization', view: <Spenders /> },
          { id: 'bills', name: 'Upstreams’ bills', view: <Drifts /> },
        ]}
      />
    </Page>
  );
}
