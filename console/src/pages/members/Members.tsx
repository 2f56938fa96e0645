import { Choices } from '../../ui/Choices';
import { Page } from '../../ui/Page';
import { Groups } from './Groups';
import { Invites } from './Invites';
import { People } from './People';
import { Roles } from './Roles';

/** Who belongs to the organization, and what they may do. */
export default function Members() {
  return (
    <Page title="Members" lead="People of the organization, and what each of them may do.">
      <Choices
        label="Members"
        choices={[
          { id: 'people', name: 'People', view: <People /> },
          { id: 'invites', name: 'Invites', view: <Invites /> },
          { id: 'groups', name: 'Groups', view: <Groups /> },
          { id: 'roles', name: 'Roles', view: <Roles /> },
        ]}
      />
    </Page>
  );
}
