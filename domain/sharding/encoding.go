package sharding

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"footfall/domain/counting"
)

// ErrBadDocument is wrapped by every error of Decode.
var ErrBadDocument = errors.New("bad ring document")

// document is the stored form of a Ring. Version 1 has no name, which is the default.
// Version 2 has another one. Version 3 may have either, and has a table that continues
// moves. Version 4 may have all that, and has a member whose address has changed. Earlier
// programs, which would not know that, refuse these versions.
type document struct {
	Version    int                   `json:"version"`
	Deployment string                `json:"deployment"`
	Name       string                `json:"name,omitempty"`
	Seed       uint64                `json:"seed,string"`
	Window     counting.WindowLength `json:"window_ns"`
	Epoch      counting.Epoch        `json:"epoch"`
	Parent     counting.Epoch        `json:"follows"`
	Change     string                `json:"change"`
	Members    []Member              `json:"members"`
	Losses     []Loss                `json:"losses,omitempty"`
	Tables     []documentTable       `json:"tables"`
}

type documentTable struct {
	Epoch     counting.Epoch  `json:"epoch"`
	From      counting.Window `json:"from"`
	Continues bool            `json:"continues,omitempty"`
	// Owners has two bytes for each arc, the owner's index, little-endian.
	Owners []byte `json:"owners"`
}

// Encode makes the document that nodes store; Decode reads it.
func (r *Ring) Encode() []byte {
	d := document{
		Version: 1, Deployment: r.deployment, Seed: r.seed, Window: r.length, Epoch: r.epoch,
		Parent: r.parent, Change: r.change, Members: r.members, Losses: r.losses,
	}
	if r.name != counting.DefaultName {
		d.Version, d.Name = 2, r.name
	}
	for i, t := range r.tables {
		owners, _ := binary.Append(nil, binary.LittleEndian, t.owners[:]) // numbers can't fail
		continues := t.Continues && i+1 < len(r.tables)
		if continues {
			d.Version = 3
		}
		d.Tables = append(d.Tables, documentTable{Epoch: t.Epoch, From: t.From, Continues: continues, Owners: owners})
	}
	if slices.ContainsFunc(r.members, isMoved) {
		d.Version = 4
	}
	b, err := json.Marshal(d)
	if err != nil { // numbers, strings and bytes alone can't fail
		panic("sharding: " + err.Error())
	}
	return b
}

// Decode reads a document and checks that it is a ring.
func Decode(b []byte) (*Ring, error) {
	var d document
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadDocument, err)
	}
	if !d.isKnown() || len(d.Tables) == 0 || d.Epoch < d.Tables[0].Epoch || d.Parent < 0 || d.Parent >= d.Epoch {
		return nil, fmt.Errorf("%w: version %d, epoch %d, %d tables", ErrBadDocument, d.Version, d.Epoch, len(d.Tables))
	}
	r := &Ring{
		deployment: d.Deployment, name: cmp.Or(d.Name, counting.DefaultName), seed: d.Seed, length: d.Window, epoch: d.Epoch,
		parent: d.Parent, change: d.Change, members: d.Members, losses: d.Losses,
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadDocument, err)
	}
	for i, t := range d.Tables {
		if t.Epoch < 1 || i > 0 && t.Epoch >= d.Tables[i-1].Epoch {
			return nil, fmt.Errorf("%w: table %d has the epoch %d", ErrBadDocument, i, t.Epoch)
		}
		owners, err := r.decodeOwners(t.Owners)
		if err != nil {
			return nil, fmt.Errorf("%w: table %d: %w", ErrBadDocument, i, err)
		}
		r.tables = append(r.tables, Table{Epoch: t.Epoch, From: t.From, Continues: t.Continues, owners: owners})
	}
	for arc, o := range r.tables[0].owners {
		if r.members[o].State != Active {
			return nil, fmt.Errorf("%w: arc %d belongs to %s, which is %s", ErrBadDocument, arc, r.members[o].ID, r.members[o].State)
		}
	}
	return r, nil
}

// isKnown tells whether the version is known, and says what the document has.
func (d document) isKnown() bool {
	named := d.Name != "" && d.Name != counting.DefaultName
	continues := slices.ContainsFunc(d.Tables, func(t documentTable) bool { return t.Continues })
	moved := slices.ContainsFunc(d.Members, isMoved)
	switch d.Version {
	case 1, 2:
		return named == (d.Version == 2) && !continues && !moved
	case 3:
		return continues && !moved
	case 4:
		return moved
	}
	return false
}

func isMoved(m Member) bool { return m.Moved != 0 }

func (r *Ring) decodeOwners(b []byte) (*[Arcs]uint16, error) {
	if len(b) != 2*Arcs {
		return nil, fmt.Errorf("it has %d bytes, want %d", len(b), 2*Arcs)
	}
	owners := new([Arcs]uint16)
	for arc := range owners {
		owners[arc] = binary.LittleEndian.Uint16(b[2*arc:])
		if int(owners[arc]) >= len(r.members) {
			return nil, fmt.Errorf("arc %d has no owner", arc)
		}
	}
	return owners, nil
}
